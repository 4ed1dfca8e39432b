"""The one schema of a question about a photo: every reader yields it, every writer takes it."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vqa.data.files import whole_file
from vqa.data.metric import normalize_answer, soft_scores
from vqa.model.answer import YES_NO
from vqa.model.errors import InputError

_NUMBER = re.compile(r"\d+(\.\d+)?")
# JSON can hold half of a character beyond U+FFFF ("\ud83d" of an emoji that was cut in two); no file can.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Example:
    """A question about a photo, with what is known of its answer.

    Attributes:
        image: path of the photo.
        question: the question as it was asked.
        answer: the single (or most common) answer, as it was given.
        answers: what several people answered, ten in VQA.
        answer_scores: answers and their soft scores, 0 to 1, where a data set gives them itself (OK-VQA).
        question_id: names the question; unique within a data set.
        image_id: names the photo in the data set it comes from.
        question_type: the question's first words ("what color is") or kind, as the data set has it.
        answer_type: "yes/no", "number" or "other"; derived from the answer where it is not given.
        source: the data set the question comes from.
    """

    image: str
    question: str
    answer: str | None = None
    answers: tuple[str, ...] = ()
    answer_scores: Mapping[str, float] | None = field(default=None, hash=False)
    question_id: int | str | None = None
    image_id: int | str | None = None
    question_type: str | None = None
    answer_type: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        if self.answer_type is None and (answer := reference(self)) is not None:
            object.__setattr__(self, "answer_type", _answer_type(answer))


def _answer_type(normalized: str) -> str:
    if normalized in YES_NO:
        return "yes/no"
    return "number" if _NUMBER.fullmatch(normalized) else "other"


def targets(example: Example) -> dict[str, float]:
    """What a model should score: each normalised answer and its soft score in [0, 1]; empty without answers.

    Given `answer_scores` are taken as they are (the highest, where two answers normalise to one); else
    several `answers` get the official leave-one-out scores; else the one `answer` gets 1.
    """
    if example.answer_scores:
        scores: dict[str, float] = {}
        for answer, score in example.answer_scores.items():
            key = normalize_answer(answer)
            scores[key] = max(score, scores.get(key, 0.0))
        return scores
    if example.answers:
        return soft_scores(example.answers)
    return {} if example.answer is None else {normalize_answer(example.answer): 1.0}


def reference(example: Example) -> str | None:
    """The normalised answer that exact match compares with; None where no answer is known.

    It is the example's own `answer`, else the most common of `answers`, else the best of `answer_scores`; of
    equal ones the first.
    """
    if example.answer is not None:
        return normalize_answer(example.answer)
    weights: Mapping[str, float] = Counter(map(normalize_answer, example.answers)) or targets(example)
    return max(weights, key=weights.__getitem__) if weights else None


def example_from_dict(row: object, where: str, images: Path | None = None) -> Example:
    """Checks one row of a file and makes an example of it.

    Args:
        row: a mapping with the fields of `Example`; other fields are allowed and left out.
        where: the place to name when the row is wrong, as "Line 17 of data.jsonl".
        images: the folder that the row's `image` is in; without it `image` is a path as it stands.

    Raises:
        InputError: `row` is no mapping, lacks `image` or `question`, or has a field of the wrong type.
    """
    if not isinstance(row, Mapping):
        raise InputError(f"{where} is no object with the fields 'image' and 'question': mend or delete it.")
    values: dict[str, Any] = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    for name, value in values.items():
        fits, wanted = _FIELDS[name]
        if not fits(value):
            raise InputError(f"{where}: the field '{name}' must be {wanted}, not {value!r:.80}: mend it.")
    for name in ("image", "question"):
        if name not in values:
            raise InputError(f"{where} has no '{name}': add that field or delete the row.")
    if images is not None:
        values["image"] = os.path.join(images, values["image"])
    if "answers" in values:
        values["answers"] = tuple(values["answers"])
    return Example(**values)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not _HALF_CHARACTER.search(value)


def _is_some_text(value: object) -> bool:
    return isinstance(value, str) and _is_text(value) and bool(value.strip())


def _is_identity(value: object) -> bool:
    return _is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_text, value))


def _are_scores(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        _is_text(answer) and isinstance(score, int | float) and 0 <= score <= 1 for answer, score in value.items()
    )


_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "image": (_is_some_text, "text, and not empty"),
    "question": (_is_some_text, "text, and not empty"),
    "answer": (_is_text, "text"),
    "answers": (_are_texts, "a list of texts"),
    "answer_scores": (_are_scores, "an object of answers with scores from 0 to 1"),
    "question_id": (_is_identity, "a whole number or text"),
    "image_id": (_is_identity, "a whole number or text"),
    "question_type": (_is_text, "text"),
    "answer_type": (_is_text, "text"),
    "source": (_is_text, "text"),
}


def write_jsonl(examples: Iterable[Example], path: str | Path) -> int:
    """Writes examples one JSON object a line, in the schema that the JSONL reader takes.

    The file appears whole or not at all.

    Returns:
        How many examples were written.

    Raises:
        InputError: the folder of `path` does not exist or may not be written.
    """
    path = Path(path)
    count = 0
    try:
        with whole_file(path) as new, new.open("w", encoding="utf-8", newline="\n") as file:
            for example in examples:
                file.write(json.dumps(_to_dict(example), ensure_ascii=False) + "\n")
                count += 1
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another place.") from error
    return count


def _to_dict(example: Example) -> dict[str, Any]:
    values = {f.name: getattr(example, f.name) for f in fields(example)}
    row = {name: value for name, value in values.items() if value is not None and value != ()}
    if example.answer_scores is not None:
        row["answer_scores"] = dict(example.answer_scores)
    return row
