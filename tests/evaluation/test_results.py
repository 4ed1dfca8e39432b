"""The figures of results.json, computed by hand."""

import copy
import functools
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.evaluation.files import SCHEMA, read
from vqa.data.examples import Example
from vqa.evaluation import results as module
from vqa.evaluation.answers.scores import Answered, Judge, Priors
from vqa.evaluation.results import results
from vqa.model.errors import InputError
from vqa.show.terminal import remarks

PRIORS = Priors("yes", by_type={"yes/no": "yes"}, by_prefix={"what": "red", "is it blue": "no"})
KNOWN = ["yes", "no", "2", "red", "dog"]
SIX: dict[str, Any] = {"files": ["six.jsonl"], "n": 8}
MODEL: Any = SimpleNamespace(  # what `results` asks of a model
    **{"name": "stub", "device": torch.device("cpu"), "dtype": torch.float32},
    **{"runtime": "torch", "weights_hash": lambda: "0" * 32},
)


@pytest.fixture
def done() -> list[Answered]:
    """Six questions: three with one answer, three with ten."""
    dog, two = ("dog",) * 7 + ("cat",) * 3, ("2", "2", "two") + ("3",) * 7
    # orange, the most common, is no answer of the model's; red and pink were given three times each
    colours = ("red",) * 3 + ("pink",) * 3 + ("orange",) * 4
    kind: Any = {"question_type": "is it"}
    rows: list[tuple] = [  # example, then what the model (with its confidence), the blind and the image-only head say
        (Example("1", "Is it red?", answer="Yes.", source="a", question_id=11, **kind), "yes", 0.9, "no", "yes"),
        (Example("1", "Is it blue?", answer="no", source="a", question_id=12), "yes", 0.6, "no", "yes"),
        (Example("2", "What is it?", answers=dog, source="b", **kind), "dog", 0.5, "red", "yes"),
        (Example("2", "What color is it?", answers=colours, source="b"), "red", 0.4, "red", "dog"),
        (Example("3", "How many?", answers=two, source="b", **kind), "2", 0.3, "2", "yes"),
        (Example("3", "Which animal?", answer="zebra"), "dog", 0.2, "dog", "dog"),
    ]
    return [Answered(i, e, said, sure, (), blind, photo) for i, (e, said, sure, blind, photo) in enumerate(rows)]


def figures(done: list[Answered], priors: Priors | None = PRIORS, **options: Any) -> dict[str, Any]:
    """The results of the stub model, which fit the schema."""
    judge = Judge(KNOWN, priors)
    content = results(MODEL, map(judge.record, done), SIX, **options)
    SCHEMA.validate(json.loads(json.dumps(content)))
    return content


@pytest.fixture
def content(done: list[Answered]) -> dict[str, Any]:
    return figures(done, skipped={"photo": 2})


def test_exact_match_and_its_tables(content: dict[str, Any]) -> None:
    assert content["metrics"]["exact"] == 33.33  # the first and the third
    assert content["metrics"]["by_answer_type"] == {"yes/no": 50.0, "other": 33.33, "number": 0.0}
    assert content["metrics"]["by_source"] == {"a": 50.0, "b": 33.33, "unknown": 0.0}
    tables = {
        table: {name: (row["n"], row["model"]) for name, row in rows.items()}
        for table, rows in content["tables"].items()
        if table != "overall"
    }
    assert tables == {
        "by_answer_type": {"yes/no": (2, 50.0), "other": (3, 33.33), "number": (1, 0.0)},
        "by_source": {"a": (2, 50.0), "b": (3, 33.33), "unknown": (1, 0.0)},
        "by_question_type": {"is it": (3, 66.67), "unknown": (3, 0.0)},  # the names of the data set
        "by_question_length": {"1-4 words": (6, 33.33)},
        # yes, no, 2 and dog are in the list of five; orange, zebra (and 3, the most common of the fifth) are not
        "by_answer_rank": {"1-10": (3, 66.67), "not in the list": (3, 0.0)},
    }
    assert content["tables"]["by_answer_rank"]["not in the list"]["upper_bound"] == 0.0


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
    content = figures(done)
    assert content["metrics"]["official"] == 60.0  # 0, 90, 90
    assert content["metrics"]["official_normalized"] == 93.33
    assert "60.00% as its own code computes it, 93.33% with unanimous" in remarks(content)[0]


def test_intervals_contain_the_figures(content: dict[str, Any]) -> None:
    (low, high), official = content["intervals"]["exact"], content["intervals"]["official"]
    assert low < content["metrics"]["exact"] < high
    assert 90.0 <= official[0] <= content["metrics"]["official"] <= official[1] <= 100.0
    assert len(content["intervals"]["above_question_only"]) == 2


def test_baselines(done: list[Answered], content: dict[str, Any]) -> None:
    overall = content["tables"]["overall"]
    assert overall["blind_head"] == 16.67  # the second
    assert overall["question_prefix"] == 33.33  # the first two
    assert overall["type_prior"] == 16.67  # yes to every yes/no question: the first
    known = {"image_only": 16.67, "upper_bound": 50.0}  # yes, no, dog
    assert content["baselines"] == known | {"majority": 16.67, "question_only": 33.33}  # the better of the two
    overall = figures(done, Priors("zebu", {}, {}))["tables"]["overall"]  # where the blind head is better
    assert (overall["question_only"], overall["official"]["question_only"]) == (16.67, 60.0)
    without = figures(done, priors=None)
    assert without["baselines"] == known | {"majority": None, "question_only": None}
    assert "above_question_only" not in without["intervals"]


def test_calibration_goes_by_the_chosen_metric(done: list[Answered], content: dict[str, Any]) -> None:
    """Every confidence has a bin of its own: the gaps are .1 .6 .5 .5 .6 .2."""
    found = content["calibration"]
    assert (found["ece"], found["mean_confidence"]) == (41.67, 48.33)
    assert [row["n"] for row in found["reliability"]] == [1] * 6
    # the surest three are right, wrong and right (the third by ten answers), and the threshold is the third's 0.5
    assert found["selective"][1] == {"coverage": 50, "accuracy": 66.67, "threshold": 50.0}
    official = figures(done, metric="official")  # only the third to fifth count: .5 for 1, .4 for .9, .3 for .9
    assert official["calibration"]["ece"] == round(100 * (0.5 + 0.5 + 0.6) / 3, 2)
    assert (official["metric"], official["metrics"]["exact"]) == ("official", 33.33)


def test_answers_that_are_stated_as_sure_are_counted(done: list[Answered], content: dict[str, Any]) -> None:
    assert "sure" not in content
    done = [replace(a, sure=sure) for a, sure in zip(done, (True, True, True, False, True, False), strict=True)]
    content = figures(done)
    # of the sure ones "yes" is right and wrong, "dog" right, and "2" right by ten answers for 0.9
    assert content["sure"] == {
        "all": {"n": 6, "sure": 4, "right": 72.5},
        "yes/no": {"n": 2, "sure": 2, "right": 50.0},
        "number": {"n": 1, "sure": 1, "right": 90.0},
        "other": {"n": 3, "sure": 1, "right": 100.0},
    }
    kinds = "yes/no 2 (50.0% right), number 1 (90.0% right), other 1 (100.0% right)"
    assert f"Stated as sure: 4 (72.5% right) of 6 answers: {kinds}." in remarks(content)
    official = figures(done, metric="official")["sure"]
    assert official["all"] == {"n": 3, "sure": 2, "right": 95.0}  # those with ten answers


def test_submitted_predictions_have_scores_alone(done: list[Answered]) -> None:
    judge = Judge(None, None)
    scored = [judge.record(Answered(a.index, a.example, a.prediction)) for a in done]
    content = results(None, scored, SIX, name="theirs.json")
    SCHEMA.validate(json.loads(json.dumps(content)))
    assert (content["model"], content["weights"], content["metrics"]["exact"]) == ("theirs.json", None, 33.33)
    assert set(content["baselines"].values()) == {None}
    assert "calibration" not in content and content["tables"]["by_answer_rank"] == {}


def test_questions_without_ten_answers_or_without_any_are_counted(done: list[Answered]) -> None:
    metrics = figures(done[:2])["metrics"]
    assert (metrics["official"], metrics["n_official"]) == (None, 0)
    with pytest.raises(InputError, match=r"No question of six\.jsonl could be scored: none has ten human answers\."):
        figures(done[:2], metric="official")
    unknown = [replace(done[0], example=Example("4", "What?", answer=answer)) for answer in (None, "")]
    content = figures([*done, *unknown], skipped={"photo": 2})
    assert (content["n"], content["skipped"]) == (6, {"photo": 2, "answer": 2})
    assert content["metrics"]["exact"] == 33.33
    with pytest.raises(InputError, match="none has an answer to compare with"):
        figures(unknown)


def test_model_environment_and_command_are_reported(content: dict[str, Any]) -> None:
    assert (content["model"], content["weights"], content["n"], content["seed"]) == ("stub", "0" * 32, 6, None)
    assert content["skipped"] == {"photo": 2}
    assert content["environment"]["precision"] == "float32"
    assert not content["command"].startswith("/")


def test_revision_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy inside another repository has none."""

    def git(*words: str) -> None:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(command, check=True)

    monkeypatch.setattr(module, "__file__", str(tmp_path / "module.py"))
    assert module.revision() is None
    (tmp_path / "module.py").write_text("1")
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "theirs")
    assert module.revision() is None
    git("add", ".")
    git("commit", "-q", "-m", "ours")
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
    *outer, last = path.split("/")
    content = copy.deepcopy(content)  # parts of which are shared
    part = functools.reduce(dict.__getitem__, outer, content)
    part[last] = value
    if value is ...:
        del part[last]
    assert not SCHEMA.is_valid(content)


def test_results_of_the_bundled_model_fit_the_schema() -> None:
    """Which an earlier version wrote: what came later is optional."""
    SCHEMA.validate(read(Path(module.__file__).parents[2] / "assets/model/results.json"))
