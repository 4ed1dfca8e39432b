"""Predictions of others: matched with their questions, or refused with a sentence."""

import json
from pathlib import Path

import pytest

from vqa.data.examples import Example
from vqa.evaluation.answers.submitted import match, read_predictions
from vqa.model.errors import InputError

EXAMPLES = [
    Example("a", "What?", "red", question_id=5),
    Example("b", "Who?", "man", question_id="x"),
    Example("c", "How?"),
]


def written(folder: Path, pairs: object) -> Path:
    path = folder / "theirs.json"
    path.write_text(json.dumps(pairs))
    return path


def rows(*pairs: tuple[int | str, str]) -> list[dict]:
    return [{"question_id": identity, "answer": answer} for identity, answer in pairs]


def test_each_question_gets_its_prediction(tmp_path: Path) -> None:
    path = written(tmp_path, rows((2, "far"), ("x", "woman"), (5, "")))
    found = list(match(path, "data", EXAMPLES))
    assert [(a.index, a.example, a.prediction, a.confidence) for a in found] == [
        (0, EXAMPLES[0], "", None),
        (1, EXAMPLES[1], "woman", None),
        (2, EXAMPLES[2], "far", None),  # which has no id: its place
    ]


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (rows((5, "a"), ("x", "b")), "has no prediction for 1 of the 3 questions of data (such as question_id 2)"),
        (rows((5, "a")), "has no prediction for 2 of the 3 questions of data (such as question_id x)"),
        (
            rows((5, "a"), ("x", "b"), (2, "c"), (77, "d"), (78, "e")),
            "answers 2 questions that data does not ask (such as question_id 77)",
        ),
        (rows((5, "a"), (5, "a"), ("x", "b")), "answers 1 questions more than once (5 2 times)"),
        ([], "is no list of predictions"),
        ({"answer": "a"}, "is no list of predictions"),
        ([*rows((5, "a")), {"answer": "b"}], "Prediction 2 of "),
        ([{"question_id": 5, "answer": 3}], "lacks 'question_id' or the text 'answer'"),
        ([3], "Prediction 1 of "),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, pairs: object, told: str) -> None:
    with pytest.raises(InputError) as error:
        list(match(written(tmp_path, pairs), "data", EXAMPLES))
    assert told in str(error.value) and str(error.value).endswith(".")


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path / "none.json")
    (tmp_path / "broken.json").write_bytes(b"\xff\xfe[")
    with pytest.raises(InputError, match="is not JSON"):
        read_predictions(tmp_path / "broken.json")
