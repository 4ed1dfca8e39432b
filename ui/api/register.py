"""Functions that programs call, each under its own name: `gradio_client`, plain HTTP and MCP clients."""

import functools
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from ui.api.functions import Function
from ui.api.payload import photo_bytes, refuse_by
from ui.hosting.zero_gpu import gpu

PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # events of gradio's own components
QUICK = PRIVATE | {"show_progress": "hidden", "queue": False}
# Without gradio's preprocessing it is `vqa.model.photos.open_photo` that opens a photo, and reports its faults.
WITH_PHOTO = {"preprocess": False}


def compute(trigger: Any, function: Callable, inputs: Any, outputs: Any, **options: Any) -> None:
    """On an event, or any of several, run a function that uses a model; those of one `concurrency_id` run in turn.

    The function's name becomes that of the event, unless `api_name` is given.
    """
    on = partial(gr.on, trigger) if isinstance(trigger, list) else trigger
    options = {"api_name": function.__name__, "concurrency_id": "model"} | PRIVATE | options
    large = options["concurrency_id"] == "model"  # the models that complete and repair are not worth a GPU
    on(gpu(function) if large else function, inputs, outputs, **options)


def register(function: Function) -> None:
    """Add a function to the API of the page that is being built, under its own name.

    The names and types of the parameters choose the hidden components that gradio takes the values from. A refusal
    reaches the caller as one sentence, never as a traceback.
    """
    parameters = inspect.signature(function.run).parameters.values()

    @functools.wraps(function.run)
    def event(*values: Any) -> Any:
        photos = [photo_bytes(values[0])] if next(iter(parameters)).name == "photo" else []
        return function.run(*photos, *values[len(photos) :])

    turn: dict[str, Any] = {"concurrency_id": function.turn, "concurrency_limit": function.at_once}
    inputs, output = [_input(parameter) for parameter in parameters], gr.JSON(visible=False, label="result")
    options = {"api_name": function.run.__name__, "api_visibility": "public"} | WITH_PHOTO | turn
    gr.on([], refuse_by(_raise)(event), inputs, output, **options)


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
