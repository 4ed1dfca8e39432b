"""Two photos of noise."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    paths = [str(folder / f"{i}.png") for i in range(2)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (50, 60, 3), dtype=np.uint8)).save(path)
    return paths
