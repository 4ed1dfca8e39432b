"""What stands before the app: whom it answers, and how much it reads.

Every request passes `Guard`: its `Host` is checked, so that no other site's page can reach an app that serves this
machine only (DNS rebinding); a body is limited; nothing is fetched for anybody, neither by the server nor by a browser
(Content-Security-Policy).
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vqa.model.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost")
MAX_BODY = 256 << 10  # bytes of a request; photos are uploaded, or are inside a call of MCP or of OpenAI's API
MAX_PHOTO = 86 << 20  # bytes of one of those: 64 MB in base64, and a question
TOO_LARGE = "The request has more than {:,} kB; send less."
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"  # gradio's scripts evaluate templates
UNKNOWN = (KeyError, ValueError, TypeError, AttributeError)  # gradio's, for an unknown event
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
        most = MAX_PHOTO if any(f"/{part}/" in scope["path"] + "/" for part in ("upload", "mcp", "v1")) else MAX_BODY
        unread = scope["method"] in ("GET", "HEAD")
        if self.local and headers.get("host", "").partition(":")[0].lower() not in LOOPBACK:
            refuse = 403, f"The app serves this machine only, as {' or '.join(LOOPBACK)}; --host lets others reach it."
        elif OUTSIDE.search(scope["path"]):
            refuse = 403, "Nothing is fetched from other machines; upload the photo."
        elif not unread and int(headers.get("content-length", 0)) > most:
            refuse = 413, TOO_LARGE.format(most >> 10)

        async def limited() -> Message:
            nonlocal read, more
            message = await receive()
            read, more = read + len(message.get("body", b"")), message.get("more_body", False)
            if read <= most or unread:
                return message
            while more:  # a client reads the answer when it has sent everything
                more = (await receive()).get("more_body", False)
            raise InputError(TOO_LARGE.format(most >> 10))

        async def secured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", POLICY)
            await send(message)

        if refuse is None:
            try:
                return await self.app(scope, limited, secured)
            except Exception as error:
                if started or not (isinstance(error, UNKNOWN) or type(error).__name__ == "FnIndexInferError"):
                    raise
                refuse = 400, "The request cannot be read; see the API's description at /gradio_api/info."
        while more:  # see above
            more = (await receive()).get("more_body", False)
        await JSONResponse({"error": refuse[1]}, refuse[0])(scope, receive, secured)
