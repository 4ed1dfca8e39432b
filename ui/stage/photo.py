"""A first look at a new photo."""

from ui.api.payload import picture_url
from ui.models import Part


class Photo(Part):
    """What the stage asks for when a photo is chosen."""

    def look(self, photo: bytes, picture: bool) -> dict[str, str]:
        """Encode a new photo, so that its first answer comes fast, or refuse it.

        Returns the photo as a `data:` address for a browser that cannot decode the file (`picture`), else ''.
        """
        content = self.models.decode(photo)
        with self.models.use() as vqa:
            seen = vqa.look(content).photo
        return {"picture": picture_url(seen) if picture else ""}
