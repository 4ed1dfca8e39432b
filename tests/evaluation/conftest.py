"""A tiny model and photos of noise, for all tests of evaluations."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vqa.evaluation.measures.wups import wups
from vqa.model.errors import InputError
from vqa.predict import VQA


@pytest.fixture(scope="session")
def wordnet() -> None:
    """The test is skipped where WordNet is missing, but never in CI."""
    try:
        wups("cat", "dog", 0.9)
    except InputError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def vqa(tiny_checkpoint: Path) -> VQA:
    return VQA.load(tiny_checkpoint, "cpu", "float32")


@pytest.fixture(scope="session")
def noise_photos(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Writes photos of random pixels, or of random squares of `side` pixels, and returns their paths."""

    def write(count: int, width: int = 64, height: int = 64, side: int = 1) -> list[str]:
        folder, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
        paths = [str(folder / f"{i}.png") for i in range(count)]
        for path in paths:
            coarse = generator.integers(0, 256, (height // side, width // side, 3))
            Image.fromarray(np.kron(coarse, np.ones((side, side, 1))).astype(np.uint8)).save(path)
        return paths

    return write
