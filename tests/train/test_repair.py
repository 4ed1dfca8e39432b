"""Training the repairer: it learns, resumes to the same weights, and says what is wrong with its questions."""

import json
import random
from itertools import islice
from pathlib import Path

import pytest
import torch

from tests.train.killed import assert_resumes
from tests.train.refused import refused
from train import repair
from train.repair import main, pair, stream
from vqa.language.characters import END, PADDING, REPLACEMENT, START, Characters
from vqa.language.repair import Repairer

SMALL = ["--hidden", "16", "--embedding", "8", "--batch", "16", "--device", "cpu"]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [{"question": ("Is it red?", "What is it?", "?")[i % 3], "image_id": i} for i in range(600)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_it_learns_to_mend(questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "FOREIGN", 0.0)
    flags = ["--questions", str(questions), "--output", str(tmp_path / "run"), *SMALL, "--rate", "0.02"]
    assert main([*flags, "--epochs", "12"]) == 0
    model = Repairer.load(tmp_path / "run/best")
    assert model.repair("waht is it?").text == "what is it?"
    assert model.repair("is it red?").text == "is it red?"
    results = json.loads((tmp_path / "run/best/results.json").read_text())
    assert results["held_out_loss"] < 0.5 and results["questions"] + results["held_out"] == 400  # not the bare marks
    assert "tools.repair_scores" in (tmp_path / "run/best/README.md").read_text()


def test_a_killed_run_resumes(questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "SPREAD", 5)  # so that it falls into the middle of a part
    flags = ["--questions", str(questions), *SMALL, "--epochs", "0.4", "--output"]
    assert_resumes(main, flags, tmp_path)
    assert "other settings of 'rate'" in refused(main, *flags, tmp_path / "killed", "--resume", "--rate", "0.1")


def test_batches_hold_what_was_typed_and_what_was_meant() -> None:
    texts = ["what color is the cat?", "is it?", "how many people are there"]
    characters = Characters.build(texts, 40)
    seen = set()
    for batch in islice(stream(characters, texts, 8, seed=1), 20):
        ids, lengths, written = batch.values()
        assert len(ids) == len(lengths) == len(written) == 8 and (lengths >= 1).all()
        assert ((ids != PADDING).sum(1) == lengths).all()
        assert (written[:, 0] == START).all() and ((written == END).sum(1) == 1).all()
        seen |= {characters.decode(row) for row in written}
    assert {*texts, "is it"} <= seen  # with and without its mark
    first = next(stream(characters, texts, 8, seed=1, step=7))
    eighth = next(islice(stream(characters, texts, 8, seed=1), 7, None))
    assert all(torch.equal(first[name], eighth[name]) for name in first)


def test_some_questions_stay_right_and_some_have_unknown_characters() -> None:
    pairs = [pair("what color is the cat?", random.Random(i)) for i in range(1000)]
    right = sum(typed == meant for typed, meant in pairs)
    assert 300 < right < 600
    foreign = [(typed, meant) for typed, meant in pairs if REPLACEMENT in meant]
    assert 10 < len(foreign) < 90 and all(t.count(REPLACEMENT) == m.count(REPLACEMENT) for t, m in foreign)
