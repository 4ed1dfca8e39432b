"""What the page is built of: its own components, which `ui/static/*.js` draws, and the options of its events."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from ui.hosting.zero_gpu import gpu
from ui.models import Models

MAX_CHARACTERS = 300  # of a question
PROGRESS = gr.Progress()  # a default value that gradio replaces in each event

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# Suggestions for an older text are of no use.
BACKGROUND: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"}
WITH_PHOTO = {"preprocess": False}  # `vqa.model.photos.open_photo` opens it, and reports its faults


class Part:
    """A part of the page: its `build` lays it out, connects its events, and registers what programs may call."""

    def __init__(self, models: Models):
        self.models = models


def compute(trigger: Callable, function: Callable, inputs: Any, outputs: Any, **options: Any) -> Any:
    """On an event, run a function that uses a model; one runs at a time. Its name becomes that of the event."""
    options = {"api_name": function.__name__, "concurrency_id": "model", "api_visibility": "private"} | options
    return trigger(gpu(function), inputs, outputs, **options)


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
