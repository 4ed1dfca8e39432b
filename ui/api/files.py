"""What the page fetches besides gradio's own files: its scripts and style, and the example photos."""

import os
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ui import FOLDER
from ui.stage.examples import examples

SERVED = (".js", ".css")


class Scripts(StaticFiles):
    """The scripts, which lie beside the Python code that belongs to them."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return super().lookup_path(path) if path.endswith(SERVED) else ("", None)


class Folder(Mount):
    """A mount that is found behind a reverse proxy, too.

    The root path (`--root-path`) may be a whole address, may be in the request's path or not, and may be called as this
    folder; Starlette's own mounts know only a path that is always there.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        root = urlsplit(scope.get("root_path", "")).path.rstrip("/")
        inside = scope["path"].startswith(f"{root}{self.path}/")
        return super().matches({**scope, "root_path": root if inside else ""})


def routes() -> list[BaseRoute]:
    """The routes, which come before gradio's."""
    photos = [Route(f"/examples/{i}", partial(_send, example.photo)) for i, example in enumerate(examples())]
    return [Folder("/glimpse", routes=[*photos, Mount("/", Scripts(directory=FOLDER))])]


async def _send(photo: Path, request: Request) -> FileResponse:
    return FileResponse(photo)
