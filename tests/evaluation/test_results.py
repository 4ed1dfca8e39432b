"""The figures of results.json, computed by hand."""

import copy
import functools
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import torch

from vqa.data.examples import Example
from vqa.evaluation import results as module
from vqa.evaluation.answers.scores import Answered, Judge, Priors, Record
from vqa.evaluation.results import results
from vqa.model.errors import InputError
from vqa.show.terminal import remarks

SCHEMA = json.loads((Path(module.__file__).parents[1] / "schemas/results.json").read_text())
PRIORS = {"majority": "yes", "by_type": {"yes/no": "yes"}, "by_prefix": {"what": "red", "is it blue": "no"}}


KNOWN = ["yes", "no", "2", "red", "dog"]
SIX: dict[str, Any] = {"files": ["six.jsonl"], "n": 8}


def model() -> Any:
    """What `results` asks of a model."""
    weights = {"weights_hash": lambda: "0" * 32, "dtype": torch.float32}
    return SimpleNamespace(name="stub", device=torch.device("cpu"), runtime="torch", **weights)


@pytest.fixture
def done() -> list[Answered]:
    """Six questions: three with one answer, three with ten."""
    rows: list[tuple] = [  # example, then what the model (with its confidence), the blind and the image-only head say
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
    return [Answered(i, e, said, sure, (), blind, photo) for i, (e, said, sure, blind, photo) in enumerate(rows)]


def records(done: list[Answered], priors: dict[str, Any] | None = PRIORS) -> list[Record]:
    judge = Judge(KNOWN, None if priors is None else Priors(**priors))
    return [judge.record(answered) for answered in done]


def valid(content: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(json.dumps(content)), SCHEMA, jsonschema.Draft202012Validator)


@pytest.fixture
def content(done: list[Answered]) -> dict[str, Any]:
    return results(model(), records(done), SIX, skipped={"photo": 2})


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
    assert (content["metrics"]["n_official"], content["metrics"]["official"]) == (3, 93.33)  # 100, 90, 90
    row = content["tables"]["overall"]["official"]
    assert row == {
        "n": 3,
        "model": 93.33,
        "blind_head": 60.0,  # 0, 90, 90
        "image_only": 0.0,
        "majority": 0.0,
        "question_prefix": 30.0,  # 0, 90, 0
        "type_prior": 0.0,  # as no type but yes/no has one, the majority
        "question_only": 30.0,
        "upper_bound": 93.33,  # dog, red, 2
    }
    assert "official" not in content["tables"]["by_source"]["a"]
    assert "official_normalized" not in content["metrics"]  # it is the same
    assert content["tables"]["by_source"]["b"]["official"] == row


def test_unanimous_answers_are_also_scored_normalised(done: list[Answered]) -> None:
    done[2] = replace(done[2], example=Example("2", "What is it?", answers=("the dog",) * 10))
    content = results(model(), records(done), SIX)
    valid(content)
    assert content["metrics"]["official"] == 60.0  # 0, 90, 90
    assert content["metrics"]["official_normalized"] == 93.33
    assert "60.00% as its own code computes it, 93.33% with unanimous" in remarks(content)[0]


def test_tables_by_length_and_by_rank_of_the_answer(content: dict[str, Any]) -> None:
    tables = content["tables"]
    assert {name: row["n"] for name, row in tables["by_question_length"].items()} == {"1-4 words": 6}
    # yes, no, 2 and dog are in the list of five; orange, zebra (and 3, the most common of the fifth) are not
    assert {name: row["n"] for name, row in tables["by_answer_rank"].items()} == {"1-10": 3, "not in the list": 3}
    assert tables["by_answer_rank"]["not in the list"]["upper_bound"] == 0.0


def test_table_by_question_type_has_the_names_of_the_data_set(done: list[Answered]) -> None:
    kinds = ["is it", None] * 3
    done = [replace(a, example=replace(a.example, question_type=kind)) for a, kind in zip(done, kinds, strict=True)]
    content = results(model(), records(done), SIX)
    # the first, third and fifth: two right; the others none
    rows = {name: (row["n"], row["model"]) for name, row in content["tables"]["by_question_type"].items()}
    assert rows == {"is it": (3, 66.67), "unknown": (3, 0.0)}
    valid(content)


def test_intervals_contain_the_figures(content: dict[str, Any]) -> None:
    low, high = content["intervals"]["exact"]
    assert low < content["metrics"]["exact"] < high
    low, high = content["intervals"]["official"]
    assert 90.0 <= low <= content["metrics"]["official"] <= high <= 95.0 + 5
    assert len(content["intervals"]["above_question_only"]) == 2


def test_baselines(content: dict[str, Any]) -> None:
    overall = content["tables"]["overall"]
    assert overall["blind_head"] == 16.67  # the second
    assert overall["question_prefix"] == 33.33  # the first two
    assert overall["type_prior"] == 16.67  # yes to every yes/no question: the first
    assert content["baselines"] == {
        "majority": 16.67,
        "question_only": 33.33,  # the better of the two
        "image_only": 16.67,
        "upper_bound": 50.0,  # yes, no, dog
    }


def test_question_only_is_the_blind_head_where_that_is_better(done: list[Answered]) -> None:
    wrong = {"majority": "zebu", "by_type": {}, "by_prefix": {}}
    overall = results(model(), records(done, wrong), SIX)["tables"]["overall"]
    assert (overall["question_only"], overall["official"]["question_only"]) == (16.67, 60.0)


def test_calibration(content: dict[str, Any]) -> None:
    """Every confidence has a bin of its own: the gaps are .1 .6 .5 .5 .6 .2."""
    figures = content["calibration"]
    assert (figures["ece"], figures["mean_confidence"]) == (41.67, 48.33)
    assert [row["n"] for row in figures["reliability"]] == [1] * 6
    # the surest three are right, wrong and right (the third by ten answers), and the threshold is the third's 0.5
    assert figures["selective"][1] == {"coverage": 50, "accuracy": 66.67, "threshold": 50.0}


def test_calibration_goes_by_the_chosen_metric(done: list[Answered]) -> None:
    """By the official accuracy only the third to fifth count: .5 for 1, .4 for .9, .3 for .9."""
    content = results(model(), records(done), SIX, metric="official")
    assert content["calibration"]["ece"] == round(100 * (0.5 + 0.5 + 0.6) / 3, 2)
    assert (content["metric"], content["metrics"]["exact"]) == ("official", 33.33)


def test_answers_that_are_stated_as_sure_are_counted(done: list[Answered]) -> None:
    assert "sure" not in results(model(), records(done), SIX)
    done = [replace(a, sure=sure) for a, sure in zip(done, (True, True, True, False, True, False), strict=True)]
    content = results(model(), records(done), SIX)
    # of the sure ones "yes" is right and wrong, "dog" right, and "2" right by ten answers for 0.9
    assert content["sure"] == {
        "all": {"n": 6, "sure": 4, "right": 72.5},
        "yes/no": {"n": 2, "sure": 2, "right": 50.0},
        "number": {"n": 1, "sure": 1, "right": 90.0},
        "other": {"n": 3, "sure": 1, "right": 100.0},
    }
    valid(content)
    (line,) = [line for line in remarks(content) if "sure" in line]
    assert line == (
        "Stated as sure: 4 (72.5% right) of 6 answers: yes/no 2 (50.0% right), number 1 (90.0% right), "
        "other 1 (100.0% right)."
    )
    official = results(model(), records(done), SIX, metric="official")["sure"]
    assert official["all"] == {"n": 3, "sure": 2, "right": 95.0}  # those with ten answers


def test_a_model_without_priors_has_no_such_baselines(done: list[Answered]) -> None:
    content = results(model(), records(done, None), SIX)
    assert content["baselines"] == {"majority": None, "question_only": None, "image_only": 16.67, "upper_bound": 50.0}
    assert "above_question_only" not in content["intervals"]
    valid(content)


def test_submitted_predictions_have_scores_alone(done: list[Answered]) -> None:
    judge = Judge(None, None)
    scored = [judge.record(Answered(a.index, a.example, a.prediction)) for a in done]
    content = results(None, scored, SIX, name="theirs.json")
    assert (content["model"], content["weights"], content["metrics"]["exact"]) == ("theirs.json", None, 33.33)
    assert set(content["baselines"].values()) == {None}
    assert "calibration" not in content and content["tables"]["by_answer_rank"] == {}
    valid(content)


def test_without_ten_answers_there_is_no_official_accuracy(done: list[Answered]) -> None:
    content = results(model(), records(done[:2]), SIX)
    assert (content["metrics"]["official"], content["metrics"]["n_official"]) == (None, 0)
    valid(content)
    with pytest.raises(InputError, match=r"No question of six\.jsonl could be scored: none has ten human answers\."):
        results(model(), records(done[:2]), SIX, metric="official")


def test_questions_without_a_known_answer_are_counted(done: list[Answered]) -> None:
    unknown = [
        replace(a, example=Example("4", "What?", answer=answer)) for a, answer in zip(done, (None, ""), strict=False)
    ]
    content = results(model(), records([*done, *unknown]), SIX, skipped={"photo": 2})
    assert (content["n"], content["skipped"]) == (6, {"photo": 2, "answer": 2})
    assert content["metrics"]["exact"] == 33.33
    with pytest.raises(InputError, match="none has an answer to compare with"):
        results(model(), records(unknown), SIX)


def test_model_environment_and_command_are_reported(content: dict[str, Any]) -> None:
    assert (content["model"], content["weights"], content["n"], content["seed"]) == ("stub", "0" * 32, 6, None)
    assert content["skipped"] == {"photo": 2}
    assert content["environment"]["precision"] == "float32"
    assert not content["command"].startswith("/")


def test_revision_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy inside another repository has none."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    monkeypatch.setattr(module, "__file__", str(tmp_path / "module.py"))
    assert module.revision() is None
    (tmp_path / "module.py").write_text("1")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], check=True)
    assert module.revision() is None
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "ours"], check=True)
    revision = module.revision()
    assert revision is not None and len(revision) == 40
    (tmp_path / "module.py").write_text("2")
    assert module.revision() == revision + "+changes"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("accuracy", 1.0),
        ("metrics/exact", 100.5),
        ("metrics/exact", None),
        ("metrics/f1", 1.0),
        ("baselines/upper_bound", 101),
        ("tables/overall/official/f1", 1.0),
        ("tables/by_source/a/model", "50"),
        ("calibration/ece", -1),
        ("skipped/rain", 1),
        ("weights", "abc"),
        ("data/files", []),
        ("metric", "bleu"),
        ("grounding", {"photo_swap": {}}),
        ("n", ...),  # missing
        ("metrics/official", ...),
        ("tables/overall/model", ...),
    ],
)
def test_schema_refuses_wrong_content(content: dict[str, Any], path: str, value: Any) -> None:
    valid(content)
    *outer, last = path.split("/")
    content = copy.deepcopy(content)  # parts of which are shared
    part = functools.reduce(dict.__getitem__, outer, content)
    part[last] = value
    if value is ...:
        del part[last]
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(content)


def test_results_of_the_bundled_model_fit_the_schema() -> None:
    """Which an earlier version wrote: what came later is optional."""
    valid(json.loads((Path(module.__file__).parents[2] / "assets/model/results.json").read_text()))
