"""Answers on disk: in order, and whole after a kill."""

from pathlib import Path
from typing import Any

import pytest

from vqa.evaluation.answers.journal import Part, Work
from vqa.model.errors import InputError

RUN = {"data": "a.jsonl", "batch_size": 2}


def row(index: int, **more: Any) -> dict[str, Any]:
    return {"index": index, "question": "Füße \n?", **more}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Two processes' answers, of which the second had just begun to write its last batch when it was killed."""
    work = Work(tmp_path / "work", RUN)
    Part(work, 0).append(0, [row(1), row(0)])
    Part(work, 1).append(1, [row(3), row(2, skipped="photo", told="there is none")])
    Part(work, 0).append(2, [row(5)])
    Part(work, 1).append(3, [row(6), row(7)])
    path = work.folder / "part-001.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    return Work(tmp_path / "work", RUN)


def test_records_come_in_the_datas_order(work: Work) -> None:
    assert [record["index"] for record in work.records()] == [0, 1, 2, 3, 5]
    assert [record["index"] for record in work.answered_records()] == [0, 1, 3, 5]
    assert next(work.records()) == row(0)
    assert work.skipped() == ({"photo": 1}, {"photo": "there is none"})


def test_what_a_kill_left_half_written_is_cut_off(work: Work) -> None:
    assert (work.done, work.answered) == ({0, 1, 2}, 5)
    Part(work, 1).append(3, [row(6), row(7)])
    again = Work(work.folder, RUN)
    assert (again.done, again.answered) == ({0, 1, 2, 3}, 7)
    assert [record["index"] for record in again.records()] == [0, 1, 2, 3, 5, 6, 7]


@pytest.mark.parametrize("left", range(1, 200, 17))
def test_wherever_it_was_killed_only_whole_batches_count(tmp_path: Path, left: int) -> None:
    work = Work(tmp_path, RUN)
    for batch in range(3):
        Part(work, 0).append(batch, [row(batch)])
    path = tmp_path / "part-000.jsonl"
    path.write_bytes(path.read_bytes()[:left])
    again = Work(tmp_path, RUN)
    assert again.done == set(range(len(again.done)))
    assert [record["index"] for record in again.records()] == sorted(again.done)


def test_another_run_begins_anew(work: Work) -> None:
    other = Work(work.folder, {**RUN, "batch_size": 4})
    assert (other.done, list(other.records())) == (set(), [])
    (work.folder / "run.json").write_text("{")
    assert Work(work.folder, RUN).done == set()


def test_nothing_was_answered(tmp_path: Path) -> None:
    assert list(Work(tmp_path / "new", RUN).records()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Work(tmp_path / "file", RUN)
    with pytest.raises(InputError, match="make room and run it again"):
        Part(tmp_path / "nowhere", 0).append(0, [row(0)])
