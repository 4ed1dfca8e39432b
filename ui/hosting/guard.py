"""What stands before the app: whom it answers, how much it reads, and refusals in one sentence.

Every request passes `Guard`: its `Host` is checked, so that no other site's page can reach an app that serves this
machine only (DNS rebinding); a body is limited; nothing is fetched for anybody, neither by the server nor by a browser
(Content-Security-Policy). What an event is sent passes `checked_inputs` before gradio looks at it.
"""

import math
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import gradio as gr
from gradio.route_utils import FnIndexInferError
from gradio_client.utils import is_http_url_like
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost")
MAX_BODY = 256 << 10  # bytes of a request; photos are uploaded, or are inside a call of MCP or of OpenAI's API
TOO_LARGE = f"The request has more than {MAX_BODY >> 10} kB; send less."
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"  # gradio's scripts evaluate templates
UNKNOWN = (FnIndexInferError, KeyError, ValueError, TypeError, AttributeError)  # gradio's, for an unknown event
OUTSIDE = re.compile(r"/(file|proxy)=/*https?:")


class Guard:
    """The middleware. local: of an app that serves this machine only, which answers to no other name; any model that
    another one offers may be asked by everybody anyway."""

    def __init__(self, app: ASGIApp, local: bool):
        self.app, self.local = app, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        refuse, started, read, more, headers = None, False, 0, True, Headers(scope=scope)
        upload = any(f"/{part}/" in scope["path"] + "/" for part in ("upload", "mcp", "v1"))
        if self.local and headers.get("host", "").rpartition(":")[0] not in LOOPBACK:
            refuse = 403, f"The app serves this machine only, as {' or '.join(LOOPBACK)}; --host lets others reach it."
        elif OUTSIDE.search(scope["path"]):
            refuse = 403, "Nothing is fetched from other machines; upload the photo."
        elif not upload and int(headers.get("content-length", 0)) > MAX_BODY:
            refuse = 413, TOO_LARGE

        async def limited() -> Message:
            nonlocal read, more
            message = await receive()
            read, more = read + len(message.get("body", b"")), message.get("more_body", False)
            if read > MAX_BODY and not upload:
                raise ValueError(TOO_LARGE)
            return message

        async def secured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", POLICY)
            await send(message)

        if refuse is None:
            try:
                return await self.app(scope, limited, secured)
            except UNKNOWN:
                if started:
                    raise
                refuse = 400, "The request cannot be read; see the API's description at /gradio_api/info."
        while more:  # a client reads the answer when it has sent everything
            more = (await receive()).get("more_body", False)
        await JSONResponse({"error": refuse[1]}, refuse[0])(scope, receive, secured)


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
