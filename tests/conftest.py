"""Fixtures that several tests share."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photos and expected numbers that stands beside the project.

    A user's machine has none: the test says so and is skipped there, but never in CI.
    """
    if not SHARED.is_dir():
        message = "needs the folder ../shared (real photos and conformance numbers) beside the project"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return SHARED
