"""Functions that the page and programs call, each under its own name: `gradio_client`, plain HTTP and MCP clients."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from ui.api.payload import refuse_by
from ui.hosting.zero_gpu import gpu
from ui.models import Models

PROGRESS = gr.Progress()  # a default value that gradio replaces in each event
PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # events of gradio's own components
QUICK = PRIVATE | {"show_progress": "hidden", "queue": False}
# Without gradio's preprocessing it is `vqa.model.photos.open_photo` that opens a photo, and reports its faults.
WITH_PHOTO = {"preprocess": False}


class Part:
    """A part of the page: its `build` registers what the page and programs may call, and lays out gradio components."""

    def __init__(self, models: Models):
        self.models = models


def compute(trigger: Any, function: Callable, inputs: Any, outputs: Any, **options: Any) -> None:
    """On an event, or any of several, run a function that uses a model; those of one `concurrency_id` run in turn.

    The function's name becomes that of the event, unless `api_name` is given.
    """
    on = partial(gr.on, trigger) if isinstance(trigger, list) else trigger
    options = {"api_name": function.__name__, "concurrency_id": "model"} | PRIVATE | options
    large = options["concurrency_id"] in (
        "model",
        "questions",
    )  # the models that complete and repair are not worth a GPU
    on(gpu(function) if large else function, inputs, outputs, **options)


def register(*functions: Callable, public: bool = True, **options: Any) -> None:
    """Add functions to the API of the page that is being built, each under its own name.

    The names and types of the parameters choose the hidden components that gradio takes the values from. A refusal
    reaches the caller as one sentence, never as a traceback. public: False for what is of use to our page alone.
    """
    options |= WITH_PHOTO | {"api_visibility": "public" if public else "undocumented"}
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        inputs = [_input(parameter) for parameter in parameters if not isinstance(parameter.default, gr.Progress)]
        compute([], refuse_by(_raise)(function), inputs, gr.JSON(visible=False, label="result"), **options)


def _raise(sentence: str) -> None:
    raise gr.Error(sentence, print_exception=False)


def _input(parameter: inspect.Parameter) -> gr.components.Component:
    options: dict[str, Any] = {"label": parameter.name, "visible": False}
    if parameter.name == "photo":
        return gr.Image(type="filepath", **options)
    if parameter.annotation is str:
        return gr.Textbox(**options)
    if parameter.annotation in (int, float):
        return gr.Number(parameter.default, precision=0 if parameter.annotation is int else None, **options)
    return gr.JSON(**options)
