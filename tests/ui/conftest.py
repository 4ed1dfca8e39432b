import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from ui import app
from ui.models import Models
from vqa.predict import VQA, ours

QUESTION = "what is on the table?"
NAMES = ["/ask", "/ask_many", "/compare", "/complete", "/describe", "/evidence", "/occlusion", "/repair", "/what_if"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def vqa(tiny_checkpoint) -> VQA:
    from vqa.runtimes.half import pack  # needs PyTorch, without which this file is imported, too

    found = ours(VQA.load(tiny_checkpoint, device="cpu"))
    pack(found.engine.model)  # as a second question does: the last digits of all answers are the same
    return found


@pytest.fixture(scope="session")
def models(vqa, tiny_checkpoint) -> Models:
    """The app's models: a tiny one, and another folder that is on offer."""
    found = Models(str(tiny_checkpoint), "cpu")
    found.load(vqa)
    return found


@pytest.fixture(scope="session")
def address(models) -> Iterator[str]:
    """The app, open on this machine, for MCP clients too."""
    with app.serving(models, port=free_port(), mcp=True) as front:
        yield front.address


@pytest.fixture(scope="session")
def client(address) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


@pytest.fixture
def closing_page(tmp_path) -> Iterator[tuple[str, list[str]]]:
    """Another server: its address, and the paths that it was asked for. Its page closes its window after a second."""
    (tmp_path / "here.html").write_text("<title>t</title><script>setTimeout(() => close(), 1000)</script>")
    paths: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            paths.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    y, x = np.mgrid[:120, :160]
    Image.fromarray(np.stack([x, 2 * y, (x + y) // 2], -1).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def opened(page, address):
    """The page in a browser, open; at the end: no script has failed, and nothing went to other machines."""
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    page.set_default_timeout(120_000)
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(address)
    page.locator(".examples button").first.wait_for()
    yield page
    assert errors == []
    assert len(requests) > 5
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


@pytest.fixture
def uploaded(opened, photo) -> None:
    """The photo was chosen in the page, and described there."""
    opened.locator("#choose").set_input_files(photo)
    opened.locator(".sentence").wait_for()
