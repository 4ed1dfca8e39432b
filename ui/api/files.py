"""The page itself, and what it fetches before it asks anything: its settings, scripts and style, and the examples."""

from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from ui import FOLDER, STATIC
from ui.models import Models
from ui.stage.examples import GENERAL, examples

SERVED = (".js", ".css")
FRESH = {"Cache-Control": "no-cache"}


class Files(StaticFiles):
    """Files that a browser asks for anew, as an update may have changed them."""

    def file_response(self, *values: Any, **named: Any) -> Response:
        response = super().file_response(*values, **named)
        response.headers.update(FRESH)
        return response


class Scripts(Mount):
    """The scripts, which lie beside the Python code that belongs to them."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if scope["path"].endswith(SERVED) else (Match.NONE, {})


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


def settings(photo: str, models: list[str], **more: Any) -> dict[str, Any]:
    """What the page's scripts need to know. photo: the address of an example, by its number."""
    shown = [{"name": e.name, "questions": e.questions, "photo": photo.format(i)} for i, e in enumerate(examples())]
    return {"examples": shown, "general": GENERAL, "models": models, **more}


def routes(models: Models, collects: bool, further: list[BaseRoute]) -> list[BaseRoute]:
    """The routes. collects: whether answers can be confirmed or corrected. further: routes below /glimpse."""
    known = settings("glimpse/examples/{}", models.offered, any_model=models.any_model, collects=collects)

    async def describe(request: Request) -> Response:
        return JSONResponse(known, headers=FRESH)

    photos = [Route(f"/examples/{i}", partial(_send, example.photo)) for i, example in enumerate(examples())]
    return [
        Page("/", partial(_send, STATIC / "index.html")),
        Page("/page.json", describe),
        Folder("/glimpse", routes=[*photos, *further, Scripts("/", Files(directory=FOLDER))]),
    ]


async def _send(file: Path, request: Request) -> FileResponse:
    return FileResponse(file, headers=FRESH)
