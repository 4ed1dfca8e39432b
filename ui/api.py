"""Functions that programs call: `gradio_client`, plain HTTP and MCP clients see them under their own names."""

import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.components import WITH_PHOTO, compute
from ui.payload import refuse_by


def register(*functions: Callable, concurrency_id: str = "model") -> None:
    """Add functions to the API of the page that is being built, each under its own name.

    The names and types of the parameters choose the hidden components that gradio takes the values from. A refusal
    reaches the caller as one sentence, never as a traceback.
    """
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        inputs = [_input(parameter) for parameter in parameters if not isinstance(parameter.default, gr.Progress)]
        result = gr.JSON(visible=False, label="result")
        options = {"api_visibility": "public", "concurrency_id": concurrency_id}
        compute([], refuse_by(_raise)(function), inputs, result, **options, **WITH_PHOTO)


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
