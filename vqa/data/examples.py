"""The one schema of a question about a photo: every reader yields it, every writer takes it."""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vqa.data.files import file_errors, whole_file
from vqa.data.metric import normalize_answer, soft_scores
from vqa.model.errors import InputError, printable
from vqa.model.text import answer_kind

_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold half of a character beyond U+FFFF; no UTF-8 file can


@dataclass(frozen=True, slots=True)
class Example:
    """A question about a photo and what is known of its answer.

    Attributes:
        image: path of the photo.
        question: the question as it was asked.
        answer: the single (or most common) answer, not normalised.
        answers: the answers of several people, ten in VQA.
        answer_scores: answers and their soft scores, 0 to 1, if a data set provides them (OK-VQA).
        question_id: identifies the question; unique within a data set.
        image_id: identifies the photo in its data set.
        question_type: the question's first words ("what color is") or kind, as the data set names it.
        answer_type: "yes/no", "number" or "other"; derived from the answer if it is not given.
        source: the data set of the question.
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
            object.__setattr__(self, "answer_type", answer_kind(answer))


def targets(example: Example) -> dict[str, float]:
    """The training target: each normalised answer and its soft score in [0, 1]; empty without answers.

    `answer_scores` are used as they are (the highest, if two answers normalise to one); else several
    `answers` get the official leave-one-out scores; else the one `answer` gets 1.
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
    """The normalised answer for exact match; None if no answer is known.

    It is the example's `answer`, else the most common of `answers`, else the best of `answer_scores`; of
    equal ones the first.
    """
    if example.answer is not None:
        return normalize_answer(example.answer)
    weights: Mapping[str, float] = Counter(map(normalize_answer, example.answers)) or targets(example)
    return max(weights, key=weights.__getitem__) if weights else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not _SURROGATE.search(value)


def _is_full_text(value: object) -> bool:
    return _is_text(value) and bool(str(value).strip())


def _is_id(value: object) -> bool:
    return _is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_text, value))


def _is_scores(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        _is_text(answer) and isinstance(score, int | float) and 0 <= score <= 1 for answer, score in value.items()
    )


_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("image", "question"), (_is_full_text, "non-empty text")),
    **dict.fromkeys(("answer", "question_type", "answer_type", "source"), (_is_text, "text")),
    **dict.fromkeys(("question_id", "image_id"), (_is_id, "a whole number or text")),
    "answers": (_is_list, "a list of texts"),
    "answer_scores": (_is_scores, "an object of answers with scores from 0 to 1"),
}


def example_from_dict(row: object, where: str, images: Path | None = None) -> Example:
    """Checks one row of a file and converts it to an example.

    Args:
        row: a mapping with the fields of `Example`; other fields are ignored.
        where: the place for error messages, such as "Line 17 of data.jsonl".
        images: the folder of the row's `image`; without it `image` is a path as it is.

    Raises `InputError` if `row` is no mapping, lacks `image` or `question`, or has a field of the wrong type.
    """
    if not isinstance(row, Mapping):
        raise InputError(f"{where} is no object with the fields 'image' and 'question': correct or delete it.")
    values: dict[str, Any] = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    for name, value in values.items():
        is_valid, wanted = _FIELDS[name]
        if not is_valid(value):
            raise InputError(f"{where}: the field '{name}' must be {wanted}, not {value!r:.80}: correct it.")
    for name in ("image", "question"):
        if name not in values:
            raise InputError(f"{where} has no '{name}': add that field or delete the row.")
    path, answers = _path(values.pop("image"), images), map(_composed, values.pop("answers", ()))
    values = {name: _composed(value) if isinstance(value, str) else value for name, value in values.items()}
    return Example(path, **values | {"answers": tuple(answers)})


def _composed(text: str) -> str:
    """The text with each letter as one character: a Mac writes 'ü' as 'u' and a mark."""
    return printable(text) if text.isascii() else unicodedata.normalize("NFC", printable(text))


def _path(image: str, images: Path | None) -> str:
    """The photo in its folder; a path as Windows writes it is also sought with slashes, and by its last part, and one
    that is not ASCII with composed and with decomposed letters."""
    while image.startswith("./"):
        image = image[2:].lstrip("/")
    paths = [image] if "\\" not in image else [image, image.replace("\\", "/"), image.rpartition("\\")[2]]
    if not image.isascii():
        paths += [unicodedata.normalize(form, path) for form in ("NFC", "NFD") for path in paths]
    paths = paths if images is None else [os.path.join(images, path) for path in paths]
    return next(filter(os.path.isfile, paths), paths[0]) if len(paths) > 1 else paths[0]


def example_to_dict(example: Example) -> dict[str, Any]:
    """The fields that are set, as JSON can hold them; the reverse of `example_from_dict`."""
    return {name: value for name, value in asdict(example).items() if value is not None and value != ()}


def write_jsonl(examples: Iterable[Example], path: str | Path) -> int:
    """Writes examples as JSON lines in the schema of the JSONL reader; the file appears whole or not at all.

    Returns:
        How many examples were written.

    Raises `InputError` if the folder of `path` does not exist or is not writable.
    """
    count = 0
    with (
        file_errors(f"{path} cannot be written", "choose another place"),
        whole_file(Path(path)) as new,
        new.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for example in examples:
            file.write(json.dumps(example_to_dict(example), ensure_ascii=False) + "\n")
            count += 1
    return count
