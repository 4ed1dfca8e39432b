"""Functions that programs call, each under its own name: `gradio_client`, plain HTTP and MCP clients."""

import functools
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from ui.api.functions import Function
from ui.api.payload import photo_bytes, refusal
from ui.hosting.zero_gpu import gpu

PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # events of gradio's own components
# Without gradio's preprocessing it is `vqa.model.photos.open_photo` that opens a photo, and reports its faults.
WITH_PHOTO: dict[str, Any] = {"preprocess": False}


def compute(trigger: Any, function: Callable, inputs: Any, outputs: Any, turn: str = "model", **options: Any) -> None:
    """On an event, or any of several, run a function that uses a model; those of one `turn` run one after another."""
    on = partial(gr.on, trigger) if isinstance(trigger, list) else trigger  # gr.on knows no events of our own
    large = turn == "model"  # the models that complete and repair are not worth a GPU
    on(gpu(function) if large else function, inputs, outputs, concurrency_id=turn, **PRIVATE, **options)


def register(function: Function) -> None:
    """Add a function to the API of the page that is being built, under its own name.

    The names and types of the parameters choose the hidden components that gradio takes the values from. A refusal
    reaches the caller as one sentence, never as a traceback.
    """
    parameters = inspect.signature(function.run).parameters.values()

    @functools.wraps(function.run)
    def event(*values: Any) -> Any:
        try:
            photos = [photo_bytes(values[0])] if next(iter(parameters)).name == "photo" else []
            return function.run(*photos, *values[len(photos) :])
        except Exception as error:
            raise gr.Error(refusal(error), print_exception=False) from error

    inputs, output = [_input(parameter) for parameter in parameters], gr.JSON(visible=False, label="result")
    turn: dict[str, Any] = {"concurrency_id": function.turn, "concurrency_limit": function.at_once}
    gr.on([], event, inputs, output, **WITH_PHOTO, **turn)


def _input(parameter: inspect.Parameter) -> gr.components.Component:
    options: dict[str, Any] = {"label": parameter.name, "visible": False}
    if parameter.name == "photo":
        return gr.Image(type="filepath", **options)
    if parameter.annotation is str:
        return gr.Textbox(**options)
    if parameter.annotation in (int, float):
        return gr.Number(parameter.default, precision=0 if parameter.annotation is int else None, **options)
    return gr.JSON(**options)
