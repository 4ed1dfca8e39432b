"""An answer as the page draws it, and refusals as sentences in the page."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from ui.models import Models
from ui.photos import picture_url
from vqa.model.errors import InputError, missing

NOT_SURE = 1 / 3  # below this calibrated probability the page says so: it is wrong two times out of three
BROKEN = "Something went wrong in the app; the terminal that serves it says what. Please try once more."

PROGRESS = gr.Progress()  # gradio gives each event its own in place of this default

logger = logging.getLogger("glimpse")


def shown(models: Models, photo: Any, question: str, model: str | None = None, title: str = "") -> dict[str, Any]:
    """A question about a photo, answered, in the form that `ui/static/glimpse.js` draws."""
    vqa = models.get(model)
    with models.lock:
        answer = vqa.ask(photo, question)
        picture = vqa.look(photo).photo
    return drawable(answer.to_dict(), picture, question, title)


def drawable(result: dict[str, Any], picture: Any, question: str, title: str = "") -> dict[str, Any]:
    """The object of `vqa ask --json` with what is drawn around it."""
    return {
        "photo": picture_url(picture),
        "question": question,
        "title": title,
        "threshold": NOT_SURE,
        "result": result,
    }


def layer(name: str, answer: str, weights: np.ndarray) -> dict[str, Any]:
    """A further map `(h, w)` to lay over the photo; what speaks against the answer is left out."""
    height, width = weights.shape
    values = weights.clip(0).ravel().tolist()
    return {"name": name, "answer": answer, "weights": values, "height": height, "width": width}


def refusal(error: Exception) -> str:
    """The sentence that the page shows for an error; one that nobody foresaw goes to the log."""
    if isinstance(error, ModuleNotFoundError):
        error = missing(error) or error
    if isinstance(error, InputError):
        return str(error)
    logger.exception("an event of the page failed", exc_info=error)
    return BROKEN


def api(function: Callable) -> Callable:
    """A function of the API: what it refuses reaches the caller as one sentence, never a traceback."""

    @functools.wraps(function)
    def told(*values: Any, **named: Any) -> Any:
        try:
            return function(*values, **named)
        except Exception as error:
            raise gr.Error(refusal(error), print_exception=False) from None

    return told
