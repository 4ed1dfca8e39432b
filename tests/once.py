"""Folders that are filled once for all workers of pytest-xdist; no test may change them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """The folder `name`, which does not exist when `fill` is called with it."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # each worker has a folder in it
    with FileLock(base / f"{name}.lock"):
        if not (base / f"{name}.filled").exists():
            fill(base / name)
            (base / f"{name}.filled").touch()
    return base / name
