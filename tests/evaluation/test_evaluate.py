"""The figures of results.json, computed by hand."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from vqa.data.examples import Example
from vqa.errors import InputError
from vqa.evaluation import evaluate
from vqa.evaluation.evaluate import best_official, check_output, official_scores, results, write
from vqa.evaluation.metric import vqa_accuracy
from vqa.evaluation.predictions import Predictions

SCHEMA = json.loads((Path(evaluate.__file__).parents[1] / "schemas/results.json").read_text())
PRIORS = {"majority": "yes", "by_type": {"yes/no": "yes"}, "by_prefix": {"what": "red", "is it blue": "no"}}


def model(priors: dict[str, Any] | None = PRIORS) -> Any:
    """What `results` asks of a model."""
    return SimpleNamespace(
        name="stub",
        answers=["yes", "no", "2", "red", "dog"],
        extra=lambda name: priors if name == "priors.json" else None,
        weights_hash=lambda: "0" * 32,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


@pytest.fixture
def done() -> Predictions:
    """Six questions: three with one answer, three with ten."""
    rows = [  # example, then what the model (with its confidence), the blind and the image-only head say
        (Example("1", "Is it red?", answer="Yes.", source="a", question_id=11), "yes", 0.9, "no", "yes"),
        (Example("1", "Is it blue?", answer="no", source="a", question_id=12), "yes", 0.6, "no", "yes"),
        (Example("2", "What is it?", answers=("dog",) * 7 + ("cat",) * 3, source="b"), "dog", 0.5, "red", "yes"),
        # orange, the most common, is no answer of the model's; red and pink were given three times each
        (
            Example("2", "What color is it?", answers=("red",) * 3 + ("pink",) * 3 + ("orange",) * 4, source="b"),
            *("red", 0.4, "red", "dog"),
        ),
        (Example("3", "How many?", answers=("2", "2", "two") + ("3",) * 7, source="b"), "2", 0.3, "2", "yes"),
        (Example("3", "Which animal?", answer="zebra"), "dog", 0.2, "dog", "dog"),
    ]
    made = Predictions(*(list(column) for column in zip(*rows, strict=True)))
    made.skip("photo", 2, "there is no photo 9")
    return made


@pytest.fixture
def content(done: Predictions) -> dict[str, Any]:
    return results(model(), done, {"files": ["six.jsonl"], "n": 8})


def test_exact_match(content: dict[str, Any]) -> None:
    assert content["metrics"]["exact"] == 33.33  # the first and the third
    assert content["metrics"]["by_answer_type"] == {"yes/no": 50.0, "other": 33.33, "number": 0.0}
    assert content["metrics"]["by_source"] == {"a": 50.0, "b": 33.33, "unknown": 0.0}
    assert {name: row["n"] for name, row in content["tables"]["by_answer_type"].items()} == {
        "yes/no": 2,
        "other": 3,
        "number": 1,
    }


def test_official_accuracy_is_of_the_questions_with_ten_answers(content: dict[str, Any]) -> None:
    assert content["metrics"]["n_official"] == 3
    assert content["metrics"]["official"] == 93.33  # 100, 90, 90
    row = content["tables"]["overall"]["official"]
    assert row == {
        "n": 3,
        "model": 93.33,
        "blind_head": 60.0,  # 0, 90, 90
        "image_only": 0.0,
        "majority": 0.0,
        "question_prefix": 30.0,  # 0, 90, 0
        "question_only": 30.0,
        "upper_bound": 93.33,  # dog, red, 2
    }
    assert "official" not in content["tables"]["by_source"]["a"]
    assert content["tables"]["by_source"]["b"]["official"] == row


def test_tables_by_length_and_by_how_common_the_answer_is(content: dict[str, Any]) -> None:
    tables = content["tables"]
    assert {name: row["n"] for name, row in tables["by_question_length"].items()} == {"1-4 words": 6}
    # yes, no, 2 and dog are in the list of five; orange, zebra (and 3, the most common of the fifth) are not
    assert {name: row["n"] for name, row in tables["by_answer_rank"].items()} == {"1-10": 3, "not in the list": 3}
    assert tables["by_answer_rank"]["not in the list"]["upper_bound"] == 0.0


def test_the_table_by_question_type_has_the_data_sets_own_names(done: Predictions) -> None:
    done.examples = [replace(e, question_type=kind) for e, kind in zip(done.examples, ["is it", None] * 3, strict=True)]
    content = results(model(), done, {"files": ["six.jsonl"], "n": 8})
    # the first, third and fifth: two right; the others none
    rows = {name: (row["n"], row["model"]) for name, row in content["tables"]["by_question_type"].items()}
    assert rows == {"is it": (3, 66.67), "unknown": (3, 0.0)}
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("question", "expected"),
    [("a b c d", "1-4 words"), ("a b c d e", "5-6 words"), ("a " * 7, "7-9 words"), ("a " * 10, "10+ words")],
)
def test_lengths(question: str, expected: str) -> None:
    assert evaluate.length(question) == expected


@pytest.mark.parametrize(("place", "expected"), [(0, "1-10"), (9, "1-10"), (10, "11-100"), (1000, "1001+")])
def test_ranks(place: int, expected: str) -> None:
    assert evaluate.rank("dog", {"dog": place}) == expected
    assert evaluate.rank("cat", {"dog": place}) == "not in the list"


def test_intervals_hold_the_figures(content: dict[str, Any]) -> None:
    low, high = content["intervals"]["exact"]
    assert low < content["metrics"]["exact"] < high
    low, high = content["intervals"]["official"]
    assert 90.0 <= low <= content["metrics"]["official"] <= high <= 95.0 + 5
    assert len(content["intervals"]["above_question_only"]) == 2


def test_the_fall_when_photos_are_swapped(done: Predictions, content: dict[str, Any]) -> None:
    assert "grounding" not in content
    done.swapped = ["Yes", "yes", "cat", "red", "2", "dog"]  # of the model's two right answers one is left
    swapped = results(model(), done, {"files": ["six.jsonl"], "n": 8})
    figures = swapped["grounding"]["photo_swap"]
    assert (figures["exact"], figures["drop"]) == (16.67, 16.67)
    assert figures["interval"][0] <= 16.67 <= figures["interval"][1]
    jsonschema.validate(swapped, SCHEMA, jsonschema.Draft202012Validator)


def test_the_score_of_each_question_is_written(done: Predictions, content: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, done, content)
    rows = json.loads((tmp_path / "scores.json").read_text())
    assert [row["exact"] for row in rows] == [1, 0, 1, 0, 0, 0]
    assert [row["official"] for row in rows] == [None, None, 1.0, 0.9, 0.9, None]
    assert [row["question_id"] for row in rows] == [11, 12, 2, 3, 4, 5]
    assert np.mean([row["exact"] for row in rows]) * 100 == pytest.approx(content["metrics"]["exact"], abs=0.01)


def test_baselines(content: dict[str, Any]) -> None:
    overall = content["tables"]["overall"]
    assert overall["blind_head"] == 16.67  # the second
    assert overall["question_prefix"] == 33.33  # the first two
    assert content["baselines"] == {
        "majority": 16.67,
        "question_only": 33.33,  # the better of the two
        "image_only": 16.67,
        "upper_bound": 50.0,  # yes, no, dog
    }


def test_the_blind_head_is_taken_where_it_is_better(done: Predictions) -> None:
    wrong = {"majority": "zebu", "by_type": {}, "by_prefix": {}}
    content = results(model(wrong), done, {"files": ["six.jsonl"], "n": 8})
    assert content["baselines"]["question_only"] == 16.67
    assert content["tables"]["overall"]["official"]["question_only"] == 60.0


def test_calibration(content: dict[str, Any]) -> None:
    """Every confidence has a bin of its own: the gaps are .1 .6 .5 .5 .6 .2."""
    figures = content["calibration"]
    assert (figures["ece"], figures["mean_confidence"]) == (41.67, 48.33)
    assert [row["n"] for row in figures["reliability"]] == [1] * 6
    # the surest three are right, wrong and right (the third by ten answers), and the threshold is the third's 0.5
    assert figures["selective"][1] == {"coverage": 50, "accuracy": 66.67, "threshold": 50.0}


def test_a_model_without_priors_has_no_such_baselines(done: Predictions) -> None:
    content = results(model(None), done, {"files": ["six.jsonl"], "n": 8})
    assert content["baselines"] == {"majority": None, "question_only": None, "image_only": 16.67, "upper_bound": 50.0}
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)


def test_without_ten_answers_there_is_no_official_accuracy(done: Predictions) -> None:
    two = Predictions(*(column[:2] for column in (done.examples, done.answer, done.confidence)), ["no"] * 2, ["no"] * 2)
    content = results(model(), two, {"files": ["two.jsonl"], "n": 2})
    assert (content["metrics"]["official"], content["metrics"]["n_official"]) == (None, 0)
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)


def test_what_it_says_of_itself(content: dict[str, Any]) -> None:
    assert (content["model"], content["weights"], content["n"], content["seed"]) == ("stub", "0" * 32, 6, None)
    assert content["skipped"] == {"photo": 2}
    assert content["environment"]["precision"] == "float32"
    assert not content["command"].startswith("/")


def spoil(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *outer, last = path.split("/")
        for name in outer:
            content = content[name]
        content[last] = value

    return change


def test_the_schema_is_a_schema_and_fits(content: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(json.dumps(content)), SCHEMA, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "change",
    [
        spoil("accuracy", 1.0),
        spoil("metrics/exact", 100.5),
        spoil("metrics/exact", None),
        spoil("metrics/f1", 1.0),
        spoil("baselines/upper_bound", None),
        spoil("tables/overall/f1", 1.0),
        spoil("tables/overall/official/f1", 1.0),
        spoil("tables/by_source/a/model", "50"),
        spoil("calibration/ece", -1),
        spoil("skipped/rain", 1),
        spoil("weights", "abc"),
        spoil("data/files", []),
        lambda content: content.pop("n"),
        lambda content: content["metrics"].pop("official"),
        lambda content: content["tables"]["overall"].pop("blind_head"),
    ],
)
def test_the_schema_refuses(content: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    spoilt = copy.deepcopy(content)
    change(spoilt)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(spoilt)


def test_official_scores_are_the_metric(done: Predictions) -> None:
    expected = [
        vqa_accuracy(a, e.answers) / 100 if e.answers else 0 for a, e in zip(done.answer, done.examples, strict=True)
    ]
    assert official_scores(done.answer, done.examples) == pytest.approx(expected)


def test_the_best_possible_answer_is_found_by_trying_all(done: Predictions) -> None:
    generator = np.random.default_rng(0)
    vocabulary = ["red", "dog", "2", "yes"]
    for _ in range(50):
        given = tuple(generator.choice(["red", "Dog.", "two", "blue", "the red"], 10))
        best = max(vqa_accuracy(answer, given) for answer in vocabulary) / 100
        assert best_official(Example("p", "q", answers=given), set(vocabulary)) == best


def test_both_files_are_written(done: Predictions, content: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "new/folder"
    check_output(folder)
    assert not folder.exists()
    write(folder, done, content)
    assert sorted(path.name for path in folder.iterdir()) == ["predictions.json", "results.json", "scores.json"]
    assert json.loads((folder / "results.json").read_text()) == content
    predictions = json.loads((folder / "predictions.json").read_text())
    assert predictions[:3] == [
        {"question_id": 11, "answer": "yes"},
        {"question_id": 12, "answer": "yes"},
        {"question_id": 2, "answer": "dog"},  # which had no id: its place
    ]
    assert len(predictions) == 6


def test_a_folder_that_is_a_file_is_told(done: Predictions, content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for folder in (tmp_path / "file", tmp_path / "file/inside"):
        with pytest.raises(InputError, match=r"Nothing can be written to .*\.$"):
            check_output(folder)
        with pytest.raises(InputError, match=r"cannot be written: .*\.$"):
            write(folder, done, content)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_full_disk_leaves_the_earlier_files(
    done: Predictions, content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, done, content)
    before = {path.name: path.read_text() for path in tmp_path.glob("*.json")}

    def full(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(InputError, match="No space left on device"):
            write(tmp_path, done, content | {"seed": 3})
    assert {path.name: path.read_text() for path in tmp_path.glob("*.json")} == before
