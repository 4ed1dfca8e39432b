"""What an event of gradio is sent is checked before gradio looks at it, and refused in one sentence."""

import math
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import gradio as gr
from gradio_client.utils import is_http_url_like


def guard(page: gr.Blocks) -> None:
    """Let the page check what its events are sent; what gradio itself refuses becomes one sentence, too."""
    prepare: Callable[..., Awaitable[list[Any]]] = page.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: list[Any], *more: Any, **options: Any) -> list[Any]:
        try:
            check_inputs(inputs)
            values = await prepare(block_fn, inputs, *more, **options)
            for block, value in zip(block_fn.inputs, values, strict=True):
                check_value(block, value)
            return values
        except gr.Error as error:
            error.print_exception = False  # a sentence about a value, such as one out of its range
            raise
        except Exception as error:
            reason = " The photo was not uploaded; upload it first." if _has_path(inputs) else ""
            message = f"The values of this call do not have the number or the types that it takes.{reason}"
            raise gr.Error(message, print_exception=False) from error

    page.preprocess_data = preprocess_data  # type: ignore[method-assign]


def check_inputs(inputs: Any) -> None:
    """Raise a `gr.Error` for a file on another machine, which gradio would fetch."""
    for value in _values(inputs):
        if isinstance(value, dict) and is_http_url_like(value.get("path")):
            raise gr.Error("The photo was not uploaded; upload it first.", print_exception=False)


def check_value(block: gr.components.Component, value: Any) -> None:
    """Raise a `gr.Error` for a value of another type than the component's: text, or a finite number."""
    text, number = isinstance(block, gr.Textbox), isinstance(block, gr.Number | gr.Slider)
    if text and not isinstance(value, str | None):
        raise gr.Error(f"The value '{block.label}' is text, not {type(value).__name__}.", print_exception=False)
    if number and (isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)):
        raise gr.Error(f"The value '{block.label}' is a number, not {value!r:.40}.", print_exception=False)


def _values(content: Any) -> Iterator[Any]:
    """Everything in nested lists and objects."""
    waiting = [content]
    while waiting:
        yield (value := waiting.pop())
        if isinstance(value, dict | list | tuple):
            waiting += value.values() if isinstance(value, dict) else value


def _has_path(inputs: Any) -> bool:
    return any(isinstance(value, dict) and "path" in value for value in _values(inputs))
