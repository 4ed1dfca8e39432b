"""A part of a data set is drawn: as many photos and questions as were asked for, the same ones by the same seed."""

from pathlib import Path

import pytest

from tests.data.refusal import refusal
from tools.sample import main, sample
from vqa.data.examples import Example, write_jsonl
from vqa.data.readers import read_examples

EXAMPLES = [Example(f"{i % 10}.png", f"what is {i}?", "a cat", question_id=i) for i in range(60)]


@pytest.mark.parametrize(("photos", "questions"), [(1, 1), (4, 4), (4, 20), (4, 24), (10, 60)])
def test_there_are_as_many_as_asked_for(photos: int, questions: int) -> None:
    drawn = sample(EXAMPLES, photos, questions, seed=3)
    assert len(set(drawn)) == len(drawn) == questions
    assert len({example.image for example in drawn}) == photos
    assert drawn == [example for example in EXAMPLES if example in drawn]  # in the order of the data


def test_the_seed_decides() -> None:
    first, again, other = (sample(EXAMPLES, 4, 12, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_impossible_numbers_are_reported() -> None:
    assert "There are 10 photos" in refusal(sample, EXAMPLES, 11, 20, seed=0)
    assert "have 12 questions" in refusal(sample, EXAMPLES, 2, 13, seed=0)
    assert "3 photos cannot" in refusal(sample, EXAMPLES, 3, 2, seed=0)
    assert "0 photos cannot" in refusal(sample, EXAMPLES, 0, 2, seed=0)


def test_the_command_writes_what_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(EXAMPLES, tmp_path / "all.jsonl")
    words = [str(tmp_path / "all.jsonl"), "--photos", "4", "--seed", "3", "--output", str(tmp_path / "part.jsonl")]
    assert main([*words, "--questions", "20"]) == 0
    assert read_examples(tmp_path / "part.jsonl") == sample(EXAMPLES, 4, 20, 3)
    assert "20 questions about 4 photos" in capsys.readouterr().out
    assert main([*words, "--questions", "25"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
