"""The predictions of another system, in the challenge's format."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from vqa.data.examples import Example
from vqa.data.readers.text_files import read_document
from vqa.evaluation.answers.questions import Batch, examples_of, question_name
from vqa.evaluation.answers.scores import Answered, Judge, Record
from vqa.evaluation.options import Options
from vqa.model.errors import InputError


def submitted_records(options: Options, batches: Iterable[Batch]) -> Iterator[tuple[int, list[Record]]]:
    """The number of each batch and the records of its questions.

    Raises `InputError`, before any question is scored, for a file that does not fit the questions.
    """
    judge, path = Judge(None, None, options.metric == "wups"), Path(options.predictions or "")
    predictions = read_predictions(path)
    check_complete(path, predictions, options.data, examples_of(options))
    for batch in batches:
        asked = [question for questions in batch.photos.values() for question in questions]
        answers = (Answered(index, e, predictions[str(question_name(index, e))]) for index, e in asked)
        yield batch.number, [judge.record(answered) for answered in answers]


def read_predictions(path: Path) -> dict[str, str]:
    """The answers by question id (as text) of a list of objects with `question_id` and `answer`.

    Raises `InputError` for a file without such a list, or with two answers to one question.
    """
    rows = read_document(path)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path} is not a list of predictions: give objects with 'question_id' and 'answer'.")
    for number, row in enumerate(rows, start=1):
        if not (isinstance(row, dict) and isinstance(row.get("answer"), str) and "question_id" in row):
            raise InputError(f"Prediction {number} of {path} lacks 'question_id' or the text 'answer': correct it.")
    count = Counter(str(row["question_id"]) for row in rows)
    if len(count) < len(rows):
        identity, times = count.most_common(1)[0]
        raise InputError(
            f"{path} answers {len(rows) - len(count):,} questions more than once ({identity} {times} times): "
            "give one prediction for each."
        )
    return {str(row["question_id"]): row["answer"] for row in rows}


def check_complete(path: Path, predictions: dict[str, str], data: str, examples: Iterable[Example]) -> None:
    """Raise `InputError` if a question has no prediction or a prediction no question.

    The challenge refuses such files, and so a file that belongs to another split is recognised.
    """
    unused = dict.fromkeys(predictions)
    missing, count = [], 0
    for index, example in enumerate(examples):
        count += 1
        name = question_name(index, example)
        if str(name) in unused:
            del unused[str(name)]
        else:
            missing.append(name)
    if unused:
        raise InputError(
            f"{path} answers {len(unused):,} questions that {data} does not ask (such as question_id "
            f"{next(iter(unused))}): give the predictions of the same split."
        )
    if missing:
        raise InputError(
            f"{path} has no prediction for {len(missing):,} of the {count:,} questions of {data} (such as question_id "
            f"{missing[0]}): add them."
        )
