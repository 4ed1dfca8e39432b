"""What stands before the app: whom it answers, at which paths, and how much it reads.

Every request passes `Guard`: its `Host` is checked, so that no other site's page can reach an app that serves this
machine only (DNS rebinding); a body is limited; nothing is fetched for anybody, neither by the server nor by a browser
(Content-Security-Policy).
"""

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount, Route
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


class Private(Route):
    """A route for those only who have logged in, where a password is asked for."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["logged_in"]:
            return await super().handle(scope, receive, send)
        await JSONResponse({"error": "Log in first."}, 401)(scope, receive, send)


class Page(Private):
    """The page; gradio's page about the API (`?view=api`) has the same path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        asked = scope["type"] == "http" and b"view=" not in scope["query_string"]
        return super().matches(_inside(scope, self.path)) if asked else (Match.NONE, {})


class Folder(Mount):
    """A mount that is found behind a reverse proxy, too. As the proxy's path may be the same, all else is gradio's."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, inner = super().matches(_inside(scope, f"{self.path}/"))
        known = (route.matches({**scope, **inner})[0] is not Match.NONE for route in self.routes)
        return (match, inner) if match is Match.FULL and any(known) else (Match.NONE, {})


def _inside(scope: Scope, path: str) -> Scope:
    """The scope of a request for what lies at `path`, wherever a reverse proxy serves it.

    The root path (`--root-path`) may be a whole address, may be in the request's path or not, and may be called as this
    path; Starlette's own routes know only one that is always there.
    """
    root = urlsplit(scope.get("root_path", "")).path.rstrip("/")
    return {**scope, "root_path": root if scope["path"].startswith(f"{root}{path}") else ""}


def logged_in(app: Any, scope: Scope) -> bool:
    """Whether a request has the cookie of gradio's login. app: gradio's."""
    cookies = HTTPConnection(scope).cookies
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(cookies.get(name) in app.tokens for name in names)
