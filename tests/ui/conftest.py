import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from ui import app
from ui.models import Models
from ui.page import build_page
from vqa.predict import VQA

QUESTION = "what is on the table?"
NAMES = ["/ask", "/ask_many", "/compare", "/complete", "/describe", "/evidence", "/occlusion", "/repair", "/what_if"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def vqa(tiny_checkpoint) -> VQA:
    return VQA.load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="session")
def models(vqa, tiny_checkpoint) -> Models:
    """The app's models: a tiny one, and another folder that is on offer."""
    found = Models(str(tiny_checkpoint), "cpu")
    found.load(vqa)
    return found


@pytest.fixture(scope="session")
def address(models) -> Iterator[str]:
    """The app, open on this machine, for MCP clients too."""
    page = build_page(models)
    yield app.open_page(page, "127.0.0.1", free_port(), mcp=True)
    page.close(verbose=False)


@pytest.fixture(scope="session")
def client(address) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    y, x = np.mgrid[:120, :160]
    Image.fromarray(np.stack([x, 2 * y, (x + y) // 2], -1).astype(np.uint8)).save(path)
    return path
