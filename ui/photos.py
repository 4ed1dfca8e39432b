"""Photos that come from the browser and pictures that go to it."""

import base64
import io
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder
from PIL import Image

from vqa.model.errors import InputError

SHOWN = 640  # pixels of a shown photo's longer side


def photo_bytes(photo: dict[str, Any] | None) -> bytes:
    """The uploaded file's content; its name on this machine is nothing to show to a user.

    Only uploads are read: gradio lets a path through that somebody has sent without its usual `meta` field.
    """
    path = photo.get("path") if isinstance(photo, dict) else None
    if not path:
        raise InputError("There is no photo yet; upload, paste or take one first.")
    try:
        path = Path(path).resolve()
        if path.is_relative_to(Path(get_upload_folder()).resolve()) and path.is_file():
            return path.read_bytes()
    except (OSError, ValueError, TypeError, RuntimeError):  # RuntimeError: links in a circle
        pass
    raise InputError("The photo was not uploaded; upload it first.")


def picture_url(photo: Image.Image) -> str:
    """A photo as a `data:` address, small enough for the page."""
    photo = photo.copy()
    photo.thumbnail((SHOWN, SHOWN))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
