"""The photo on the stage: a look at a new one, and the upload that a shared link names."""

import re
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from ui.api.payload import photo_bytes, picture_url
from ui.api.register import Part, register
from vqa.model.errors import InputError


class Photo(Part):
    """Uploads: gradio stores each in a folder that has the hash of its content as name."""

    def build(self) -> None:
        register(self.look, public=False)
        register(self.uploaded, public=False, concurrency_id="uploaded")

    def look(self, photo: dict[str, Any] | None, picture: bool) -> dict[str, str]:
        """Encode a new photo, so that its first answer comes fast, or refuse it.

        Returns the photo as a `data:` address for a browser that cannot decode the file (`picture`), else ''.
        """
        content = self.models.decode(photo_bytes(photo))
        with self.models.use() as vqa:
            seen = vqa.look(content).photo
        return {"picture": picture_url(seen) if picture else ""}

    def uploaded(self, name: str) -> dict[str, str]:
        """The path of the upload whose content has this hash, which gradio serves. Raises `InputError` if none has."""
        folder = Path(get_upload_folder(), name) if re.fullmatch("[0-9a-f]{64}", name) else None
        file = next((file for file in folder.iterdir() if file.is_file()), None) if folder and folder.is_dir() else None
        if file is None:
            raise InputError("The photo of this link is no longer on this server; choose it again.")
        return {"upload": str(file)}
