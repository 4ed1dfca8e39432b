"""A sentence about the photo, and where the model looked at each word: `/describe`."""

from typing import Any

from ui.models import Part

TOP_P = 0.9


class Captions(Part):
    """A caption by beam search, or drawn by chance."""

    def describe(self, photo: bytes, beam: int = 3, temperature: float = 0, seed: int = 0) -> dict[str, Any]:
        """Describe a photo in a sentence, and say for each word where the model looked.

        Args:
            photo: the photo to describe.
            beam: how many captions are kept at each word, 1 to 20.
            temperature: above 0 draws the words by chance instead; below 1 more soberly.
            seed: another one draws other words.
        """
        describer = self.models.describer()
        content = describer.vqa.decode(photo)
        with self.models.use():
            return describer.describe(content, int(beam), temperature or None, TOP_P, int(seed)).to_dict()
