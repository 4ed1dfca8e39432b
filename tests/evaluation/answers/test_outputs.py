"""The files that an evaluation leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from vqa.data.examples import Example
from vqa.evaluation.answers.outputs import check_output, write
from vqa.evaluation.answers.predictions import Answered
from vqa.evaluation.answers.scores import Judge, Record
from vqa.model.errors import InputError

CONTENT: dict[str, Any] = {"metrics": {"n_official": 2}, "seed": 1}


@pytest.fixture
def records() -> list[Record]:
    ten = ("red",) * 3 + ("pink",) * 7
    examples = [
        (Example("x/1.jpg", "What?", answers=ten, question_id=11, question_type="what"), "red"),
        (Example("x/2.jpg", "Wo?", "Füße"), "red"),
        (Example("x/3.jpg", "Is it?", answers=("yes",) * 10, question_id="a", question_type="is it"), "no"),
    ]
    return [Judge(None, None).record(Answered(i, example, answer)) for i, (example, answer) in enumerate(examples)]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_files(records: list[Record], tmp_path: Path) -> None:
    folder = tmp_path / "new/folder"
    check_output(folder)
    assert not folder.exists()
    write(folder, lambda: iter(records), CONTENT, "val")
    assert sorted(p.name for p in folder.iterdir()) == ["official", "predictions.json", "records.jsonl", "results.json"]
    assert read(folder / "results.json") == CONTENT
    assert read(folder / "predictions.json") == [
        {"question_id": 11, "answer": "red"},
        {"question_id": 1, "answer": "red"},  # which had no id: its place
        {"question_id": "a", "answer": "no"},
    ]
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [{key: value for key, value in record.items() if key != "image"} for record in records]


def test_the_official_codes_five_files(records: list[Record], tmp_path: Path) -> None:
    write(tmp_path, lambda: iter(records), CONTENT, "val")
    names = ("results", "accuracy", "evalQA", "evalQuesType", "evalAnsType")
    files = {name: read(tmp_path / f"official/OpenEnded_val_glimpse_{name}.json") for name in names}
    assert len(list((tmp_path / "official").iterdir())) == 5
    assert [row["question_id"] for row in files["results"]] == [11, "a"]
    assert files["evalQA"] == {"11": 90.0, "a": 0.0}
    assert files["evalQuesType"] == {"what": {"11": 90.0}, "is it": {"a": 0.0}}
    assert files["evalAnsType"] == {"other": {"11": 90.0}, "yes/no": {"a": 0.0}}
    assert files["accuracy"] == {
        "overall": 45.0,
        "perQuestionType": {"what": 90.0, "is it": 0.0},
        "perAnswerType": {"other": 90.0, "yes/no": 0.0},
    }


def test_official_files_of_real_predictions_have_the_expected_totals(shared: Path, tmp_path: Path) -> None:
    """The 536 predictions whose accuracies the official code gave."""
    from vqa.data.readers import read_examples
    from vqa.evaluation.answers.submitted import match

    run, data = read(shared / "conformance/vqa_metric_val_run.json"), shared / "data/vqa-v2-official"
    (tmp_path / "theirs.json").write_text(json.dumps(run["predictions"]))
    examples = read_examples(data / "questions_val.json", data / "annotations_val.json")
    answered = match(tmp_path / "theirs.json", "val", examples)
    made = [Judge(None, None).record(a) for a in answered]
    write(tmp_path, lambda: iter(made), {"metrics": {"n_official": len(made)}}, "val")
    accuracies = read(tmp_path / "official/OpenEnded_val_glimpse_evalQA.json")
    assert accuracies == {str(identity): accuracy for identity, accuracy in run["per_question"].items()}
    assert read(tmp_path / "official/OpenEnded_val_glimpse_accuracy.json") == run["accuracy"]


def test_without_ten_answers_or_any_there_are_fewer_files(records: list[Record], tmp_path: Path) -> None:
    write(tmp_path / "few", lambda: iter(records), {"metrics": {"n_official": 0}}, "val")
    assert not (tmp_path / "few/official").exists()
    write(tmp_path / "none", lambda: iter(records), None, "val")
    assert sorted(path.name for path in (tmp_path / "none").iterdir()) == ["predictions.json", "records.jsonl"]


def test_a_folder_that_is_a_file_is_told(records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for folder in (tmp_path / "file", tmp_path / "file/inside"):
        with pytest.raises(InputError, match=r"Nothing can be written to .*\.$"):
            check_output(folder)
        with pytest.raises(InputError, match=r"cannot be written: .*\.$"):
            write(folder, lambda: iter(records), CONTENT, "val")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_full_disk_leaves_the_earlier_files(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, lambda: iter(records), CONTENT, "val")
    before = {path.name: path.read_text() for path in tmp_path.glob("*.json*")}

    def full(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(InputError, match="No space left on device"):
            write(tmp_path, lambda: iter(records[:1]), CONTENT | {"seed": 3}, "val")
    assert {path.name: path.read_text() for path in tmp_path.glob("*.json*")} == before
    assert not list(tmp_path.glob(".*"))
