"""The journal of a running evaluation, and the files that it writes at the end."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.files import read, read_lines
from vqa.data.examples import Example
from vqa.data.files import check_output
from vqa.data.readers import read_examples
from vqa.evaluation.answers.records import Journal, write_outputs
from vqa.evaluation.answers.scores import Answered, Judge, Record
from vqa.model.errors import InputError

CONTENT: dict[str, Any] = {"metrics": {"n_official": 2}, "seed": 1}


@pytest.fixture
def records() -> list[Record]:
    ten = ("red",) * 3 + ("pink",) * 7
    answered = [
        Answered(0, Example("x/1.jpg", "What?", answers=ten, question_id=11, question_type="what"), "red"),
        Answered(1, Example("x/2.jpg", "Wo?", "Füße"), "red"),
        Answered(2, Example("x/3.jpg", "Is it?", None, ("yes",) * 10, None, "a", question_type="is it"), "no"),
    ]
    return list(map(Judge(None, None).record, answered))


def test_output_files(records: list[Record], tmp_path: Path) -> None:
    folder = tmp_path / "new/folder"
    check_output(folder)
    assert not folder.exists()
    write_outputs(folder, lambda: iter(records), CONTENT, "val")
    assert read(folder / "results.json") == CONTENT
    assert read(folder / "predictions.json") == [
        {"question_id": 11, "answer": "red"},
        {"question_id": 1, "answer": "red"},  # which had no id: its place
        {"question_id": "a", "answer": "no"},
    ]
    rows = [{key: value for key, value in record.items() if key != "image"} for record in records]
    assert read_lines(folder / "records.jsonl") == rows
    names = ("results", "accuracy", "evalQA", "evalQuesType", "evalAnsType")  # as the official code names them
    files = {name: read(folder / f"official/OpenEnded_val_glimpse_{name}.json") for name in names}
    assert len(list((folder / "official").iterdir())) == 5
    assert [row["question_id"] for row in files["results"]] == [11, "a"]
    assert files["evalQA"] == {"11": 90.0, "a": 0.0}
    assert files["evalQuesType"] == {"what": {"11": 90.0}, "is it": {"a": 0.0}}
    assert files["evalAnsType"] == {"other": {"11": 90.0}, "yes/no": {"a": 0.0}}
    assert files["accuracy"] == {
        "overall": 45.0,
        "perQuestionType": {"what": 90.0, "is it": 0.0},
        "perAnswerType": {"other": 90.0, "yes/no": 0.0},
    }
    write_outputs(tmp_path / "few", lambda: iter(records), {"metrics": {"n_official": 0}}, "val")
    assert not (tmp_path / "few/official").exists()


def test_official_files_of_real_predictions_have_the_expected_totals(shared: Path, tmp_path: Path) -> None:
    """The 536 predictions whose accuracies the official code gave."""
    run, data = read(shared / "conformance/vqa_metric_val_run.json"), shared / "data/vqa-v2-official"
    predictions = {row["question_id"]: row["answer"] for row in run["predictions"]}
    examples = read_examples(data / "questions_val.json", data / "annotations_val.json")
    answered = (Answered(i, example, predictions[example.question_id]) for i, example in enumerate(examples))
    made = list(map(Judge(None, None).record, answered))
    write_outputs(tmp_path, lambda: iter(made), {"metrics": {"n_official": len(made)}}, "val")
    accuracies = read(tmp_path / "official/OpenEnded_val_glimpse_evalQA.json")
    assert accuracies == {str(identity): accuracy for identity, accuracy in run["per_question"].items()}
    assert read(tmp_path / "official/OpenEnded_val_glimpse_accuracy.json") == run["accuracy"]


def test_folder_that_is_a_file_is_reported(records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for folder in (tmp_path / "file", tmp_path / "file/inside"):
        with pytest.raises(InputError, match=r"Nothing can be written to .*\.$"):
            check_output(folder)
        with pytest.raises(InputError, match=r"cannot be written: .*\.$"):
            write_outputs(folder, lambda: iter(records), CONTENT, "val")
    assert (tmp_path / "file").read_text() == "kept"


def test_full_disk_does_not_change_earlier_files(records, tmp_path, monkeypatch) -> None:
    write_outputs(tmp_path, lambda: iter(records), CONTENT, "val")
    before = {path: path.is_file() and path.read_text() for path in tmp_path.iterdir()}

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="No space left on device"):
        patch.setattr(Path, "replace", full)
        write_outputs(tmp_path, lambda: iter(records[:1]), CONTENT | {"seed": 3}, "val")
    assert {path: path.is_file() and path.read_text() for path in tmp_path.iterdir()} == before


RUN = {"data": "a.jsonl", "batch_size": 2}


def row(index: int, **more: Any) -> dict[str, Any]:
    return {"index": index, "question": "Füße \ud83d\n?", **more}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Three batches, not in the order of the data."""
    journal = Journal(tmp_path / "new/journal", RUN)
    journal.append(0, [row(1), row(0)])
    journal.append(2, [row(5)])
    journal.append(1, [row(3), row(2, skipped="photo", message="there is none")])
    return journal


def test_records_and_first_skipped_questions_are_in_the_order_of_the_data(journal: Journal) -> None:
    assert list(journal.records()) == [row(index) for index in (0, 1, 3, 5)]
    journal.append(3, [row(8, skipped="photo", message="later"), row(7, skipped="question", message="none")])
    assert journal.skipped() == {"photo": (2, "there is none"), "question": (1, "none")}


def test_same_run_is_resumed_and_another_starts_anew(journal: Journal) -> None:
    again = Journal(journal.path, dict(RUN))
    assert (again.done, again.answered) == ({0, 1, 2}, 5)
    again.append(3, [row(6)])
    assert [record["index"] for record in again.records()] == [0, 1, 3, 5, 6]
    other = Journal(journal.path, {**RUN, "batch_size": 4})
    assert (other.done, other.answered, list(other.records())) == (set(), 0, [])
    assert Journal(None, RUN).done == set()


@pytest.mark.parametrize("rows", [0, 500])
def test_batch_of_a_killed_process_is_left_out_as_a_whole(tmp_path: Path, rows: int) -> None:
    """The process ends without cleaning up while it adds its second batch."""
    code = f"""if True:
        import os
        from pathlib import Path
        from vqa.evaluation.answers.records import Journal

        def rows():
            for index in range({rows}):
                yield {{"index": 100 + index, "question": "?" * 10_000}}
            os._exit(9)

        journal = Journal(Path({str(tmp_path / "journal")!r}), {{}})
        journal.append(0, [{{"index": 0}}])
        journal.append(1, rows())
    """
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    journal = Journal(tmp_path / "journal", {})
    assert (journal.done, list(journal.records())) == ({0}, [{"index": 0}])


def test_journal_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database, but a text")
    for path in (tmp_path / "file", tmp_path / "file/journal", tmp_path):
        with pytest.raises(InputError, match=r"cannot be written .*; choose another folder"):
            Journal(path, RUN)
    journal = Journal(tmp_path / "journal", RUN)
    journal.database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(InputError, match=r"full.*free some space and run the command again"):
        journal.append(0, [row(0, answer="long" * 10_000)])
