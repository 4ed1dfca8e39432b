"""Predictions of others: matched with their questions, or refused with a sentence."""

import json
from pathlib import Path

import pytest

from vqa.data.examples import Example, write_jsonl
from vqa.evaluation.answers.answering import answer_all
from vqa.evaluation.answers.records import Journal
from vqa.evaluation.answers.submitted import check_complete, read_predictions
from vqa.evaluation.options import Options
from vqa.model.errors import InputError

WHAT, WHO = Example("a", "What?", "red", question_id=5), Example("b", "Who?", "man", question_id="x")
EXAMPLES = [WHAT, WHO, Example("c", "How?")]  # which has no id: its place


def written(folder: Path, pairs: object) -> Path:
    path = folder / "theirs.json"
    path.write_text(json.dumps(pairs))
    return path


def rows(*pairs: tuple[int | str, str]) -> list[dict]:
    return [{"question_id": identity, "answer": answer} for identity, answer in pairs]


def test_each_question_is_scored_by_its_prediction(tmp_path: Path) -> None:
    write_jsonl(EXAMPLES, tmp_path / "data.jsonl")
    path = written(tmp_path, rows((2, "far"), ("x", "woman"), (5, "Red.")))
    options = Options(str(tmp_path / "data.jsonl"), predictions=str(path), batch_size=1)
    journal, advanced = Journal(None, {}), list[int]()
    journal.done = {1}  # of a run that was killed
    answer_all(options, None, journal, advanced.append)
    assert advanced == [1] and [r["question_id"] for r in journal.records()] == [5]
    journal.done = {0}
    answer_all(options, None, journal, advanced.append)
    found = [(r["index"], r["prediction"], r["exact"], r["confidence"]) for r in journal.records()]
    assert found == [(0, "Red.", {"model": 1}, None), (1, "woman", {"model": 0}, None), (2, "far", None, None)]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (rows((5, "a"), ("x", "b")), "has no prediction for 1 of the 3 questions of data (such as question_id 2)"),
        (rows((5, "a")), "has no prediction for 2 of the 3 questions of data (such as question_id x)"),
        (
            rows(*((i, "a") for i in (5, "x", 2, 77, 78))),
            "answers 2 questions that data does not ask (such as question_id 77)",
        ),
        (rows((5, "a"), (5, "a"), ("x", "b")), "answers 1 questions more than once (5 2 times)"),
        ([], "is not a list of predictions"),
        ({"answer": "a"}, "is not a list of predictions"),
        ([*rows((5, "a")), {"answer": "b"}], "Prediction 2 of "),
        ([{"question_id": 5, "answer": 3}], "lacks 'question_id' or the text 'answer'"),
        ([3], "Prediction 1 of "),
    ],
)
def test_unfit_predictions_are_reported(tmp_path: Path, pairs: object, message: str) -> None:
    path = written(tmp_path, pairs)
    with pytest.raises(InputError) as error:
        check_complete(path, read_predictions(path), "data", EXAMPLES)
    assert message in str(error.value) and str(error.value).endswith(".")


def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path / "none.json")
    (tmp_path / "broken.json").write_bytes(b"\xff\xfe[")
    with pytest.raises(InputError, match="is not JSON"):
        read_predictions(tmp_path / "broken.json")
