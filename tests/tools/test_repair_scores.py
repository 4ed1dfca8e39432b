"""Repairs are counted correctly, and answers compared through a feature store."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tools import repair_scores
from tools.repair_scores import ALWAYS, KINDS, OFFERED, RULES, answers, bare, count, main, noisy, symspells
from vqa.data.examples import Example, reference, write_jsonl
from vqa.data.features import FeatureStore
from vqa.predict import VQA

QUESTIONS = ["what color is the table?", "is the table brown?", "how many people are there?"]


def unknown(text: str) -> list[str]:
    known = set(bare(" ".join(QUESTIONS)).split())
    return [word for word in bare(text).split() if word not in known]


def test_symspell_repairs_by_the_words_of_the_questions() -> None:
    pytest.importorskip("symspellpy")
    repairs = symspells(QUESTIONS * 12)
    assert len(repairs) == 12
    typed = ["waht colr is teh table?", "isthe table brown?", "zzzzzzzz"]
    found = dict(zip(typed, repairs["compound, words seen 10 times, distance 2"](typed), strict=True))
    assert found["waht colr is teh table?"] == ["what color is the table"]
    assert found["isthe table brown?"] == ["is the table brown"]
    words = dict(zip(typed, repairs["word by word, words seen 1 times, distance 1"](typed), strict=True))
    assert words["waht colr is teh table?"] == ["what color is the table"]
    assert words["zzzzzzzz"] == ["zzzzzzzz"]


def test_rules() -> None:
    typed, found = "waht color is the tablle?", ["waht colors is the table", "what colors is the table?"]
    assert [apply(typed, found, unknown) for apply in RULES.values()] == [
        "waht colors is the table",
        "waht color is the table",
        "what colors is the table?",
        "what color is the table?",
    ]
    for rule in OFFERED:  # a question of known words is left alone, whatever the model would write
        assert RULES[rule]("is the table brown?", ["is the people brown?"], unknown) == "is the table brown?"
    assert [*ALWAYS, *OFFERED] == list(RULES)


def test_repairs_are_counted() -> None:
    def nothing(typed):
        return ([text] for text in typed)

    def perfect(typed):
        return ([min(QUESTIONS, key=lambda q: sum(a != b for a, b in zip(q, text, strict=False)))] for text in typed)

    lazy = count("nothing", nothing, QUESTIONS, unknown, 0)
    assert lazy["right"]["n"] == 3 and set(lazy["right"].values()) == {3, 100.0}
    assert lazy["noisy"]["as it is"] == 0.0 and lazy["one slip"]["as it is"] == 0.0
    assert count("perfect", perfect, QUESTIONS, unknown, 0)["noisy"]["as it is"] > 60


def test_noisy_questions_are_wrong_and_seeded() -> None:
    typed = [noisy(QUESTIONS[0], seed) for seed in range(50)]
    assert typed == [noisy(QUESTIONS[0], seed) for seed in range(50)] and len(set(typed)) > 30
    assert all(bare(text) != bare(QUESTIONS[0]) for text in typed)
    assert KINDS["one slip"]("is it?", 0) == "is it?"  # no word of four letters


@pytest.fixture
def asked(tiny_checkpoint: Path, tmp_path: Path) -> tuple[VQA, FeatureStore, list[Example]]:
    vqa = VQA.load(tiny_checkpoint, device="cpu")
    rows, columns = vqa.model.grid_size
    channels = vqa.model.image_encoder.channels
    store = FeatureStore.create(tmp_path / "store", vqa.made_by(), rows * columns, channels, 16)
    grids = torch.randn(3, store.places, store.channels, generator=torch.Generator().manual_seed(0))
    store.append([f"{i}.png" for i in range(3)], [str(i) for i in range(3)], grids)
    said = vqa.logits(grids, QUESTIONS, torch.arange(3)).logits.argmax(-1).tolist()
    examples = [Example(f"{i}.png", QUESTIONS[i], vqa.answers[best]) for i, best in enumerate(said)]
    return vqa, store, [*examples, Example("missing.png", "what is it?", "a cat")]


def test_answers_are_those_to_the_repaired_questions(asked) -> None:
    vqa, store, examples = asked
    lookup = {}
    for e in examples[:3]:
        seed = int(repair_scores.generator_for(0, e).integers(1 << 31))
        lookup |= {damage(e.question, seed): e.question for damage in KINDS.values()}
    back: dict[str, Any] = {"back": lambda typed: ([lookup.get(text, text)] for text in typed)}
    found = answers(vqa, store, examples, back, {"always": ("back", "as it is")}, 0)
    assert found["n"] == 3 and found["skipped"] == 1 and found["right"] == 100.0
    for kind in ("one slip", "noisy"):
        assert found[kind]["exact"]["always"] == 100.0 == found[kind]["exact"]["right"]
        gain, (low, high) = found[kind]["gain"]["always"]
        assert gain == pytest.approx(100.0 - found[kind]["exact"]["as typed"]) and low <= gain <= high
    assert all(reference(e) for e in examples)


def test_a_missing_store_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--features", "--output", "--questions", "--data")
    assert main([word for flag in flags for word in (flag, str(tmp_path))]) == 2
    assert "There is no feature store" in capsys.readouterr().err


def test_the_whole_command(
    asked, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("symspellpy")
    _, _, examples = asked
    rows = [{"question": q, "image_id": i} for i in range(300) for q in random.Random(i).sample(QUESTIONS, 2)]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_jsonl(examples, tmp_path / "data.jsonl")
    monkeypatch.setattr(repair_scores, "CHOSEN_ON", 2)
    flags = ["--questions", tmp_path / "questions.jsonl", "--model", tiny_checkpoint, "--data", tmp_path / "data.jsonl"]
    assert main([str(f) for f in (*flags, "--features", tmp_path / "store", "--output", tmp_path / "out")]) == 0
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    who_and_when = itertools.product(("ours", "symspellpy"), ("always", "offered"))
    assert scores["chosen"].keys() == {f"{who}, {when}" for who, when in who_and_when}
    assert scores["repairs"]["n"] == 1 and scores["answers"]["n"] == 3
    assert all(np.isfinite(scores["repairs"][label]["right"]) for label in scores["chosen"])
