"""One exported page for all tests, with very small models, below a path of a static server."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.once import once
from tools.page_numbers import served
from train.exporting import page
from ui.browser import runtime
from ui.browser.site import assemble
from vqa.captioning import describe
from vqa.captioning.captioner import Captioner
from vqa.captioning.words import Words
from vqa.checkpoint.auxiliary import save_bundle
from vqa.language import complete
from vqa.language.character_model import CharacterModel
from vqa.language.characters import Characters
from vqa.model.errors import InputError
from vqa.predict import VQA, ours

WORDS = ["a", "dog", "runs", "on", "grass"]
LETTERS = list("abcdefghijklmnopqrstuvwxyz ?'")


def near(value: Any, tolerance: float) -> Any:
    """`pytest.approx` for the fractions in nested lists and objects."""
    if isinstance(value, dict):
        return {name: near(one, tolerance) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [near(one, tolerance) for one in value]
    return pytest.approx(value, abs=tolerance) if isinstance(value, float) else value


@pytest.fixture(scope="session")
def runtime_folder() -> Path:
    """onnxruntime-web, which only CI downloads unasked."""
    try:
        return runtime.locate(fetch=os.environ.get("CI") == "true")
    except InputError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{error} (vqa export-page --fetch)")


@pytest.fixture(scope="session")
def exported(tiny_onnx: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model for both runtimes of Python, and beside it a captioner and a completer that fit it."""

    def fill(folder: Path) -> None:
        shutil.copytree(tiny_onnx, folder / "tiny")
        shutil.copy(tiny_checkpoint / "model.safetensors", folder / "tiny")
        torch.manual_seed(0)
        config = {"attention": "soft", "hidden": 8, "channels": 64}
        more = {"encoder": ours(VQA.load(tiny_checkpoint, "cpu")).made_by(), "most": 6, "words": WORDS}
        save_bundle(folder / "caption", describe.KIND, config | more, Captioner(Words(WORDS).size, **config))
        size = {"cell": "lstm", "layers": 2, "hidden": 12, "embedding": 6}
        torch.manual_seed(6)  # with which it ends a line
        net = CharacterModel(Characters(LETTERS).size, **size)
        save_bundle(folder / "complete", complete.KIND, {**size, "characters": LETTERS, "lines": True}, net)

    return once(tmp_path_factory, "page-models", fill)


@pytest.fixture(scope="session")
def site(exported: Path, runtime_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's folder, some way below the root of what is served."""

    def fill(root: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page, "find_bundle", lambda name: exported / name)
            files = page.page_files(str(exported / "tiny"))
        (root / "some").mkdir(parents=True)
        assemble(root / "some" / "where", runtime_folder, files)

    return once(tmp_path_factory, "page-root", fill) / "some" / "where"


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with served(site.parents[1]) as root:
        yield f"{root}some/where/"
