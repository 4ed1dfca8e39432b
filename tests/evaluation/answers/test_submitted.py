"""Predictions of others: matched with their questions, or refused with a sentence."""

import json
from pathlib import Path

import pytest

from vqa.data.examples import Example, write_jsonl
from vqa.evaluation.answers import submitted
from vqa.evaluation.answers.records import Journal
from vqa.evaluation.answers.scores import Judge
from vqa.evaluation.answers.submitted import check_complete, match, read_predictions, score_predictions
from vqa.evaluation.options import Options
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
    found = list(match(read_predictions(path), EXAMPLES))
    assert [(a.index, a.example, a.prediction, a.confidence) for a in found] == [
        (0, EXAMPLES[0], "", None),
        (1, EXAMPLES[1], "woman", None),
        (2, EXAMPLES[2], "far", None),  # which has no id: its place
    ]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (rows((5, "a"), ("x", "b")), "has no prediction for 1 of the 3 questions of data (such as question_id 2)"),
        (rows((5, "a")), "has no prediction for 2 of the 3 questions of data (such as question_id x)"),
        (
            rows((5, "a"), ("x", "b"), (2, "c"), (77, "d"), (78, "e")),
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


def test_predictions_are_scored_as_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not more than a chunk of records is in memory; a journal that has a part of them is completed."""
    examples = [Example("a", "What?", "red", question_id=i) for i in range(7)]
    write_jsonl(examples, tmp_path / "data.jsonl")
    path = written(tmp_path, rows(*((i, "red") for i in range(7))))
    options = Options(str(tmp_path / "data.jsonl"), predictions=str(path))
    events: list[str] = []
    record, append = Judge.record, Journal.append
    monkeypatch.setattr(submitted, "CHUNK", 3)
    monkeypatch.setattr(Judge, "record", lambda *a: (events.append("score"), record(*a))[1])
    monkeypatch.setattr(Journal, "append", lambda *a: (events.append("write"), append(*a)))
    journal, advanced = Journal(None, {}), []
    score_predictions(options, journal, advanced.append)
    assert events == [*["score"] * 3, "write", *["score"] * 3, "write", "score", "write"]
    assert advanced == [3, 3, 1] and [r["exact"] for r in journal.records()] == [{"model": 1}] * 7
    journal.done, events[:] = {0, 2}, []
    with journal.database:
        journal.database.execute("DELETE FROM records WHERE batch = 1")
    score_predictions(options, journal, advanced.append)
    assert events == [*["score"] * 3, "write"] and len(list(journal.records())) == 7
