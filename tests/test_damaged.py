"""Damaged files of every kind that a user can hand over: each is read, or refused in one sentence."""

import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.torture.damage import Kind, damaged, file_kinds
from vqa.model.errors import InputError

NAMES = ("config", "tokenizer", "processor_config", "weights", "priors", "results", "store", "index", "bundle", "state")


@pytest.fixture(scope="module")
def kinds(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    return file_kinds(tiny_checkpoint, tmp_path_factory.mktemp("damaged") / "files")


def test_the_whole_files_are_read(kinds: dict[str, Kind]) -> None:
    assert set(kinds) == {*NAMES, "records", "settings"}
    for _, read in kinds.values():
        read()


@pytest.mark.parametrize("name", [*NAMES, "records", "settings"])
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(draw=st.randoms(use_true_random=False))
def test_a_damaged_file_is_read_or_refused(name: str, kinds: dict[str, Kind], draw: random.Random) -> None:
    path, read = kinds[name]
    whole = path.read_bytes()
    try:
        path.write_bytes(damaged(whole, draw))
        with suppress(InputError):
            read()
    finally:
        path.write_bytes(whole)
