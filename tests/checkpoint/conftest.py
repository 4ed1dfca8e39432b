import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the small checkpoint, to spoil."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))
