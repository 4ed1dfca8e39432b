"""What passes between the browser and the models: photos in; pictures and refusals out."""

import base64
import functools
import io
import logging
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from vqa.model.errors import InputError, missing

BROKEN = "Something went wrong in the app; the terminal that serves it says what. Please try once more."
LONGER_SIDE = 640  # pixels of a photo in the page

logger = logging.getLogger("glimpse")


def photo_bytes(photo: dict[str, Any] | None) -> bytes:
    """The content of an uploaded file, without its name on this machine.

    Only uploads are read: gradio accepts any path that is sent without its usual `meta` field. Raises `InputError`
    if there is no photo, or for any other path.
    """
    from gradio.utils import get_upload_folder  # takes seconds

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
    photo.thumbnail((LONGER_SIDE, LONGER_SIDE))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=88)
    return data_url("image/jpeg", buffer.getvalue())


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def refusal(error: Exception) -> str:
    """The sentence that the user reads for an error; an unexpected one is logged."""
    if isinstance(error, ModuleNotFoundError):
        error = missing(error) or error
    if isinstance(error, InputError):
        return str(error)
    logger.exception("an event of the page failed", exc_info=error)
    return BROKEN


def refuse_by(respond: Callable[[str], Any]) -> Callable[[Callable], Callable]:
    """A decorator for events: instead of raising an error, the event returns `respond(refusal(error))`."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def event(*values: Any, **named: Any) -> Any:
            try:
                return function(*values, **named)
            except Exception as error:
                return respond(refusal(error))

        return event

    return decorate


refused_in_json = refuse_by(lambda sentence: {"error": sentence})
refused_in_html = refuse_by(lambda sentence: f'<p class="failed" role="alert">{escape(sentence)}</p>')
