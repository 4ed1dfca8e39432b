"""The records of an evaluation on disk: a journal while it runs, and the files that it writes at the end."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

from vqa.data.files import file_errors, whole_file, write_json
from vqa.data.metric import official_accuracy, vqa_accuracy
from vqa.evaluation.answers.scores import Record
from vqa.model.errors import InputError

RECORDS, PREDICTIONS, RESULTS = "records.jsonl", "predictions.json", "results.json"


class Journal:
    """The records of a run in a database, so that memory does not grow and a killed run can be resumed.

    A batch of records is added as a whole or not at all. done: the numbers of the batches in it; answered: the
    questions in them.
    """

    def __init__(self, path: Path | None, run: dict[str, Any]):
        """Resume the run in the file `path` if it is the same one, else start anew; None: a temporary file.

        Raises `InputError` if the file cannot be written.
        """
        self.path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self.database = sqlite3.connect(path or "")
            with self.database as database:
                database.execute("CREATE TABLE IF NOT EXISTS run (settings TEXT)")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS records (position INTEGER PRIMARY KEY, batch INTEGER, skipped TEXT, "
                    "content TEXT)"
                )
                settings = json.dumps(run)
                if database.execute("SELECT settings FROM run").fetchone() != (settings,):
                    database.execute("DELETE FROM run")
                    database.execute("DELETE FROM records")
                    database.execute("INSERT INTO run VALUES (?)", (settings,))
                self.done = {number for (number,) in database.execute("SELECT DISTINCT batch FROM records")}
                self.answered = database.execute("SELECT count(*) FROM records").fetchone()[0]
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{path} cannot be written ({error}); choose another folder.") from error

    def append(self, batch: int, records: Iterable[Record]) -> None:
        """Add a batch. Raises `InputError` if the disk is full."""
        rows = [(record["index"], batch, record.get("skipped"), json.dumps(record)) for record in records]
        try:
            with self.database as database:
                database.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise InputError(
                f"{self.path} cannot be written ({error}); free some space and run the command again to continue."
            ) from error

    def records(self) -> Iterator[Record]:
        """Those of the questions that were answered, in the order of the data."""
        query = "SELECT content FROM records WHERE skipped IS NULL ORDER BY position"
        return (json.loads(content) for (content,) in self.database.execute(query))

    def skipped(self) -> dict[str, tuple[int, str]]:
        """How many questions were skipped for each reason, and the message of the first of them."""
        query = (
            "SELECT skipped, count(*), min(position), content FROM records WHERE skipped IS NOT NULL GROUP BY skipped"
        )
        rows = sorted(self.database.execute(query), key=lambda row: row[2])
        return {reason: (count, json.loads(content)["message"]) for reason, count, _, content in rows}

    def close(self) -> None:
        self.database.close()


def write_outputs(
    folder: Path, records: Callable[[], Iterable[Record]], content: dict[str, Any] | None, name: str
) -> None:
    """Write to `folder`, each file whole or not at all:

    predictions.json   every answered question's id and answer, in the challenge's format
    records.jsonl      a line a question: the question, the answers and their scores
    official/          for the questions with ten answers the five files of the official code, named after `name`
    results.json       `content`, if there is any; written last, so that where it exists the others are complete

    records: returns the records in the data's order, as often as it is called. Raises `InputError` if the folder cannot
    be written.
    """
    with file_errors(f"{folder} cannot be written", "choose another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder / PREDICTIONS, records())
        with text_file(folder / RECORDS) as file:
            for record in records():  # without the photo's place on this machine
                public = {key: value for key, value in record.items() if key != "image"}
                file.write(json.dumps(public, ensure_ascii=False) + "\n")
        if content is not None:
            if content["metrics"]["n_official"]:
                write_official(folder / "official", records, name)
            write_json(folder / RESULTS, content)


def write_predictions(path: Path, records: Iterable[Record]) -> None:
    """A JSON list of objects with `question_id` and `answer`, one a line."""
    with text_file(path) as file:
        file.write("[")
        for number, record in enumerate(records):
            row = {"question_id": record["question_id"], "answer": record["prediction"]}
            file.write(("," if number else "") + "\n" + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")


def write_official(folder: Path, records: Callable[[], Iterable[Record]], name: str) -> None:
    """The five files of the official evaluation code (GT-Vision-Lab/VQA), of the questions with ten answers:

    OpenEnded_{name}_glimpse_results.json       the predictions
    OpenEnded_{name}_glimpse_accuracy.json      overall, perQuestionType, perAnswerType, in percent
    OpenEnded_{name}_glimpse_evalQA.json        each question's accuracy by its id
    OpenEnded_{name}_glimpse_evalQuesType.json  the same by question type
    OpenEnded_{name}_glimpse_evalAnsType.json   the same by answer type
    """
    folder.mkdir(exist_ok=True)

    def judged() -> Iterator[Record]:
        return (record for record in records() if record["official"] is not None)

    questions: dict[Any, float] = {}
    by_question_type: dict[str, dict[Any, float]] = {}
    by_answer_type: dict[str, dict[Any, float]] = {}
    for record in judged():
        identity, accuracy = record["question_id"], vqa_accuracy(record["prediction"], record["answers"])
        questions[identity] = accuracy
        by_question_type.setdefault(record["question_type"], {})[identity] = accuracy
        by_answer_type.setdefault(record["answer_type"], {})[identity] = accuracy
    prefix = f"OpenEnded_{name}_glimpse"
    write_predictions(folder / f"{prefix}_results.json", judged())
    for kind, content in {
        "accuracy": official_accuracy((r["prediction"], SimpleNamespace(**r)) for r in judged()),
        "evalQA": questions,
        "evalQuesType": by_question_type,
        "evalAnsType": by_answer_type,
    }.items():
        write_json(folder / f"{prefix}_{kind}.json", content)


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """A file to write, whole or not at all; half a surrogate pair becomes "?"."""
    with whole_file(path) as new, new.open("w", encoding="utf-8", errors="replace") as file:
        yield file
