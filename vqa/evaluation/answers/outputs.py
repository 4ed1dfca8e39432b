"""What an evaluation writes: predictions, records and the challenge's own five files; each whole or not at all."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

from vqa.data.files import whole_file, write_json
from vqa.data.metric import official_accuracy, vqa_accuracy
from vqa.evaluation.answers.scores import Record
from vqa.model.errors import InputError

RECORDS, PREDICTIONS, RESULTS = "records.jsonl", "predictions.json", "results.json"


def check_output(folder: Path) -> None:
    """Raise `InputError` if nothing can be written to `folder`, which need not exist yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))
    if not (os.path.isdir(there) and os.access(there, os.W_OK)):
        raise InputError(f"Nothing can be written to {folder}, as {there} is no folder of yours; choose another.")


def write(folder: Path, records: Callable[[], Iterable[Record]], content: dict[str, Any] | None, name: str) -> None:
    """Write to `folder`:

    predictions.json   every answered question's id and answer, in the challenge's format
    records.jsonl      a line a question: what was asked, answered and known, and its scores
    official/          for the questions with ten answers the five files of the official code, named after `name`
    results.json       `content`, if there is any; the last, so that it vouches for the others

    records: gives the records in the data's order, as often as it is called. Raises `InputError` if the folder cannot
    be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder / PREDICTIONS, records())
        with text_file(folder / RECORDS) as file:
            file.writelines(json.dumps(public(record), ensure_ascii=False) + "\n" for record in records())
        if content is not None:
            if content["metrics"]["n_official"]:
                write_official(folder / "official", records, name)
            write_json(folder / RESULTS, content)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; choose another folder.") from error


def public(record: Record) -> Record:
    """A record without the photo's place on this machine."""
    return {key: value for key, value in record.items() if key != "image"}


def write_predictions(path: Path, records: Iterable[Record]) -> None:
    """A list of objects with `question_id` and `answer`."""
    rows = ({"question_id": record["question_id"], "answer": record["prediction"]} for record in records)
    write_list(path, rows)


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

    def path(kind: str) -> Path:
        return folder / f"OpenEnded_{name}_glimpse_{kind}.json"

    write_predictions(path("results"), judged())
    write_json(path("accuracy"), official_accuracy((r["prediction"], SimpleNamespace(**r)) for r in judged()))
    questions: dict[Any, float] = {}
    by_kind: dict[str, dict[str, dict[Any, float]]] = {"question_type": {}, "answer_type": {}}
    for record in judged():
        identity = record["question_id"]
        questions[identity] = vqa_accuracy(record["prediction"], record["answers"])
        for kind, table in by_kind.items():
            table.setdefault(record[kind], {})[identity] = questions[identity]
    write_json(path("evalQA"), questions)
    write_json(path("evalQuesType"), by_kind["question_type"])
    write_json(path("evalAnsType"), by_kind["answer_type"])


def write_list(path: Path, rows: Iterable[object]) -> None:
    """A JSON list, a row a line, written as the rows come."""
    with text_file(path) as file:
        file.write("[")
        for number, row in enumerate(rows):
            file.write(("," if number else "") + "\n" + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """A file to write, whole or not at all; half a surrogate pair becomes "?"."""
    with whole_file(path) as new, new.open("w", encoding="utf-8", errors="replace") as file:
        yield file
