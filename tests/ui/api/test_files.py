"""What the page fetches is found wherever a reverse proxy serves it."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Match
from starlette.testclient import TestClient

from ui.api.files import routes
from ui.models import Models


@pytest.mark.parametrize("root", ["", "/glimpse", "/a/b", "http://127.0.0.1:8089/glimpse", "https://example.com/a/"])
@pytest.mark.parametrize("before", ["", "/glimpse", "/a/b"])
def test_scripts_and_examples_are_found(root: str, before: str) -> None:
    app = Starlette(routes=routes(Models(), False, []))

    async def known(scope, receive, send):
        await app(scope | {"logged_in": True}, receive, send)

    client = TestClient(known, root_path=root)
    status = 200 if not before or root.endswith(before) else 404  # a proxy may leave its path in the address
    for path in ("static/main.js", "static/page.css", "stage/stage.js", "examples/0"):
        assert client.get(f"{before}/glimpse/{path}").status_code == status, path
    for path in ("", "page.json"):
        assert client.get(f"{before}/{path}").status_code == status, path
    for path in ("page.py", "static/../page.py", "static/examples/chelsea.webp", "examples/99"):
        assert client.get(f"/glimpse/{path}").status_code == 404, path
    scope = {"type": "http", "method": "GET", "path": "/glimpse/learn", "query_string": b"", "root_path": "/glimpse"}
    # gradio's, where the proxy has that path
    assert [route.matches(scope)[0] for route in app.routes] == [Match.NONE] * 3


def test_only_scripts_styles_and_examples_are_served_and_a_browser_asks_for_them_anew(address):
    """So that an update, or a page with a password, is not what the browser has stored of another one."""
    for path in ("", "page.json", *(f"glimpse/{name}" for name in ("static/main.js", "thread/card.js", "examples/0"))):
        found = httpx.get(address + path)
        assert (found.status_code, found.headers["cache-control"]) == (200, "no-cache"), path
    for path in ("app.py", "thread/answers.py", "learn/about.md", "../pyproject.toml", "examples/99", "", "static"):
        assert httpx.get(f"{address}glimpse/{path}").status_code == 404, path
