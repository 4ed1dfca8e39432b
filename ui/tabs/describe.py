"""The tab Describe: a sentence about the photo, and where the model looked at each word; `/describe`."""

from typing import Any

import gradio as gr

from ui.api import register
from ui.components import WITH_PHOTO, Part, compute, drawn
from ui.payload import layer, photo_bytes, picture_url, refused_in_json
from ui.question.box import QuestionBox

TOP_P = 0.9
ABOUT = """An LSTM writes the sentence word by word, and before each word it looks at the photo (*Show, Attend and \
Tell*). Choose a word, step with the arrow keys, or play the sentence."""


class Describe(Part):
    """A caption by beam search or by sampling, to step through."""

    def build(self, box: QuestionBox) -> None:
        gr.Markdown(ABOUT)
        seed = gr.State(0)
        with gr.Row():
            describe = gr.Button("Describe the photo", variant="primary", elem_id="describe")
            sample = gr.Button("By chance", elem_id="by-chance")
            temperature = gr.Slider(0.1, 2, 0.7, step=0.1, label="Temperature of that chance")
        self.caption = drawn("describer", elem_id="caption")
        compute(describe.click, self.caption_of, box.photo, self.caption, **WITH_PHOTO)
        compute(sample.click, self.sample, [box.photo, temperature, seed], [self.caption, seed], **WITH_PHOTO)
        register(self.describe)

    @refused_in_json
    def caption_of(self, photo: dict | None, temperature: float | None = None, seed: int = 0) -> dict[str, Any]:
        """The caption that beam search finds; with a temperature, one that is drawn by chance."""
        content, describer = photo_bytes(photo), self.models.describer()
        with self.models.use():
            look = describer.vqa.look(content)
            caption = describer.describe(look, temperature=temperature, top_p=TOP_P, seed=seed)
        layers = [layer(f"'{word}'", word, weights) | {"probability": p} for word, p, weights in caption.words]
        return {"photo": picture_url(look.photo), "text": caption.text, "layers": layers, "seconds": caption.seconds}

    def sample(self, photo: dict | None, temperature: float, seed: int) -> tuple[dict[str, Any], int]:
        """A caption drawn by chance, and the seed of the next one."""
        return self.caption_of(photo, temperature, seed), seed + 1

    def describe(self, photo: dict[str, Any] | None, beam: int = 3, temperature: float = 0) -> dict[str, Any]:
        """Describe a photo in a sentence, and say for each word where the model looked.

        Args:
            photo: the photo to describe.
            beam: how many captions are kept at each word, 1 to 20.
            temperature: above 0 draws the words by chance instead; below 1 more soberly.
        """
        content, describer = photo_bytes(photo), self.models.describer()
        with self.models.use():
            return describer.describe(content, int(beam), temperature or None, TOP_P).to_dict()
