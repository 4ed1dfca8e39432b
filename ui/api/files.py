"""The page itself, and what it fetches before it asks anything: its settings, scripts and style, and the examples."""

from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ui import FOLDER, STATIC
from ui.hosting.guard import Folder, Page
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
