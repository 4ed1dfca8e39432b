"""Fixtures that several tests share."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.once import once
from vqa.script import reuse_memory

if TYPE_CHECKING:
    from tests.fake_hub import FakeHub

reuse_memory()
if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # an app that ends deletes its uploads, also those of equal photos
    os.environ["GRADIO_TEMP_DIR"] = os.path.join(tempfile.gettempdir(), f"gradio-{os.getuid()}-{worker}")
pytest_plugins = ["tests.fitted", "tests.network"]
hypothesis.settings.load_profile("ci")  # the same examples on every machine, and no deadlines
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_finish() -> None:
    """The garbage collector no longer walks all that was imported: a fifteenth of the suite's time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Random numbers of a test do not depend on the tests before it."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photos and expected numbers that stands beside the project.

    A user's machine has none: the test says so and is skipped there, but never in CI.
    """
    if not SHARED.is_dir():
        end = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        end("needs the folder ../shared (real photos and conformance numbers) beside the project")
    return SHARED


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint's folder: a very small model with random weights, five answers and a handful of words."""
    from tools.torture.damage import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def tiny_onnx(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as a folder for the ONNX runtime, without the weights of PyTorch."""

    def export(folder: Path) -> None:
        from train.export_onnx import export_onnx

        export_onnx(tiny_checkpoint, folder)

    return once(tmp_path_factory, "tiny-onnx", export)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A file of noise, 50 x 40 pixels."""
    import numpy as np
    from PIL import Image

    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> "Iterator[FakeHub]":
    """A Hub on this machine, to which this process uploads, too."""
    import huggingface_hub

    from tests.fake_hub import serve

    with serve() as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", server.token)
        yield server


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args) -> dict:
    """pytest-playwright's setting: the system's Chromium, if there is one, and no traffic of its own."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    found = {"executable_path": CHROMIUM} if CHROMIUM else {}
    return {**browser_type_launch_args, **found, "args": arguments}
