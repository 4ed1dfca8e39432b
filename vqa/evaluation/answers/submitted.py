"""Predictions that were made elsewhere, in the challenge's format."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from vqa.data.examples import Example
from vqa.data.readers.documents import read_document
from vqa.evaluation.answers.predictions import Answered, name
from vqa.model.errors import InputError


def read_predictions(path: Path) -> dict[str, str]:
    """The answers by question id (as text) of a list of objects with `question_id` and `answer`.

    Raises `InputError` for a file that is no such list, or that answers a question twice.
    """
    rows = read_document(path)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path} is no list of predictions: give objects with 'question_id' and 'answer'.")
    for number, row in enumerate(rows, start=1):
        if not (isinstance(row, dict) and isinstance(row.get("answer"), str) and "question_id" in row):
            raise InputError(f"Prediction {number} of {path} lacks 'question_id' or the text 'answer': mend it.")
    count = Counter(str(row["question_id"]) for row in rows)
    if len(count) < len(rows):
        identity, times = count.most_common(1)[0]
        raise InputError(
            f"{path} answers {len(rows) - len(count):,} questions more than once ({identity} {times} times): "
            "keep one prediction of each."
        )
    return {str(row["question_id"]): row["answer"] for row in rows}


def match(path: Path, data: str, examples: Iterable[Example]) -> Iterator[Answered]:
    """Each question with its prediction.

    Raises `InputError`, at the end, if a question has no prediction or a prediction no question: the challenge counts
    neither, and a file that belongs to another split is told so.
    """
    given = read_predictions(path)
    asked = missing = 0
    first: int | str | None = None
    for index, example in enumerate(examples):
        asked += 1
        answer = given.pop(str(name(index, example)), None)
        if answer is not None:
            yield Answered(index, example, answer)
            continue
        first = name(index, example) if missing == 0 else first
        missing += 1
    if given:
        raise InputError(
            f"{path} answers {len(given):,} questions that {data} does not ask (such as question_id "
            f"{next(iter(given))}): give the predictions of the same split."
        )
    if missing:
        raise InputError(
            f"{path} has no prediction for {missing:,} of the {asked:,} questions of {data} (such as question_id "
            f"{first}): add them."
        )
