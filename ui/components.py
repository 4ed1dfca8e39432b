"""What the page is built of: its own components, which `ui/static/*.js` draws, and the options of its events."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from ui.hosting.zero_gpu import gpu
from ui.models import Models

MAX_CHARACTERS = 300  # of a question
PROGRESS = gr.Progress()  # a default value that gradio replaces in each event

PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # the page's own events are no part of the API
HIDDEN = PRIVATE | {"show_progress": "hidden"}
QUICK = HIDDEN | {"queue": False}
LATEST = HIDDEN | {"trigger_mode": "always_last"}  # while one runs, of all further events only the last is kept
# Without gradio's preprocessing it is `vqa.model.photos.open_photo` that opens a photo, and reports its faults.
WITH_PHOTO = {"preprocess": False}


class Part:
    """A part of the page: its `build` lays it out, connects its events, and registers what programs may call."""

    inputs: list[Component]  # of a tab that answers the question, see `ui.tabs.ask`
    outputs: list[Component]

    def __init__(self, models: Models):
        self.models = models


def compute(trigger: Any, function: Callable, inputs: Any, outputs: Any, **options: Any) -> None:
    """On an event, or any of several, run a function that uses a model; those of one `concurrency_id` run in turn.

    The function's name becomes that of the event, unless `api_name` is given.
    """
    on = partial(gr.on, trigger) if isinstance(trigger, list) else trigger
    options = {"api_name": function.__name__, "concurrency_id": "model"} | PRIVATE | options
    large = options["concurrency_id"] == "model"  # the models that complete and repair are not worth a GPU
    on(gpu(function) if large else function, inputs, outputs, **options)


def drawn(draw: str, value: Any = None, events: Sequence[str] = (), **options: Any) -> gr.HTML:
    """An HTML component whose JSON value is drawn by the function `draw` of `window.glimpse`, in the browser."""
    # gradio finds a component's own events by their quoted names in this script
    names = "".join(f"// '{event}'\n" for event in events)
    script = f"{names}window.glimpse.{draw}({{ element, props, watch, trigger }});"
    return gr.HTML(
        value, html_template='<div class="glimpse"></div>', js_on_load=script, apply_default_css=False, **options
    )


def viewer(pickable: bool = False, **options: Any) -> gr.HTML:
    """Answers, side by side if there are several; the event `pick` carries the answer that was clicked."""
    return drawn("viewer", events=("pick",), pickable=pickable, **options)


def chips(**options: Any) -> gr.HTML:
    """Questions to click, after the words `before` if given; the event `pick` carries the question."""
    return drawn("chips", events=("pick",), **options)


def picture(elem_id: str) -> gr.HTML:
    """A picture that the server draws as HTML or SVG, with all text escaped."""
    return gr.HTML(elem_id=elem_id, elem_classes="glimpse", apply_default_css=False)


def picked_question(event: gr.EventData) -> str:
    """The question of the chip that was clicked."""
    return str(event.question)[:MAX_CHARACTERS]
