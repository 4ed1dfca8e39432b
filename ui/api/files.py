"""What the page fetches besides gradio's own files: its scripts and style, and the example photos."""

import os
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ui import FOLDER
from ui.stage.examples import examples

SERVED = (".js", ".css")


class Scripts(StaticFiles):
    """The scripts, which lie beside the Python code that belongs to them."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return super().lookup_path(path) if path.endswith(SERVED) else ("", None)


def routes() -> list[BaseRoute]:
    """The routes, which come before gradio's."""
    photos = [Route(f"/glimpse/examples/{i}", partial(_send, example.photo)) for i, example in enumerate(examples())]
    return [*photos, Mount("/glimpse", Scripts(directory=FOLDER))]


async def _send(photo: Path, request: Request) -> FileResponse:
    return FileResponse(photo)
