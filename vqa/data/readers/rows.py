"""A row of any table as the fields of `Example`: usual names of columns, usual kinds of cells, conversations."""

import logging
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from vqa.data.examples import Example, example_from_dict

FIELDS = tuple(field.name for field in fields(Example))
SYNONYMS = {
    "image": """image_path image_file image_filename image_file_name image_name images img img_path img_file img_name
        file_name filename file filepath file_path path photo photos photo_path photo_file photo_name picture
        picture_path pic""",
    "question": "questions question_text query prompt q instruction problem",
    "answer": """answer_text label gt_answer gt ground_truth groundtruth correct_answer multiple_choice_answer response
        target solution a""",
    "answers": "gt_answers ground_truths labels all_answers reference references",
    "question_id": "questionid qid",
    "image_id": "imageid img_id",
}
CONVERSATIONS = ("conversations", "messages", "conversation")
_IMAGE_MARK = re.compile(r"\s*(<image>|<img>.*?</img>|<\|image_pad\|>|<\|vision_start\|>|<\|vision_end\|>)\s*")
_SPACES = re.compile(r"[\s\-.\u200b\ufeff]+")


_reported: dict[Path, set[str]] = {}


@cache
def remark(line: str) -> None:
    """Report once, on standard error, how a file is read."""
    logging.getLogger("glimpse").warning(line)


@lru_cache(256)
def columns(names: tuple[str, ...], path: Path) -> dict[str, str]:
    """The columns of a file that are read, and as which fields; synonyms are reported.

    Case, blanks, hyphens and dots do not matter. A field's own name comes before its synonyms, in their order.
    """
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(_SPACES.sub("_", name.strip(" \t\r\n\"'\u200b\ufeff")).lower(), name)
    found: dict[str, str] = {}
    for field in FIELDS:
        names_of_field = (field, *SYNONYMS.get(field, "").split())
        if given := next((plain[n] for n in names_of_field if n in plain), None):
            found.setdefault(given, field)
    taken = {f"'{name.strip()}' as {field}" for name, field in found.items() if name.strip().lower() != field}
    known = _reported.setdefault(path, set())
    if (new := sorted(taken - known)) and {"image", "question"} <= set(found.values()):
        known.update(new)
        remark(f"{path}: reading {', '.join(new)}.")
    return found


def examples(row: object, where: str, path: Path, images: Path | None) -> Iterator[Example]:
    """The example of a row, or those of a conversation, with the fields by any of their usual names.

    where: for messages, as for `example_from_dict`, which raises `InputError`.
    """
    if not isinstance(row, Mapping):
        yield example_from_dict(row, where, images)
        return
    for turn in _turns(row):
        named = {field: turn[name] for name, field in columns(tuple(map(str, turn)), path).items() if name in turn}
        yield example_from_dict(usual(named), where, images)


def is_row(content: Mapping[str, Any], path: Path) -> bool:
    """Whether the only object of a file is a question or a conversation, and no document with a list of questions."""
    name = next((name for name, field in columns(tuple(content), path).items() if field == "question"), "")
    return isinstance(content.get(name), str) or any(isinstance(content.get(name), list) for name in CONVERSATIONS)


def _turns(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The questions and answers of a conversation, as in data for vision-language models; any other row itself."""
    name = next((name for name in CONVERSATIONS if isinstance(row.get(name), list)), None)
    if name is None:
        yield row
        return
    rest = {key: value for key, value in row.items() if key != name}
    question = None
    for turn in filter(lambda turn: isinstance(turn, Mapping), row[name]):
        role, content = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
        if isinstance(content, list):  # parts, of which one may be the photo
            parts = [part for part in content if isinstance(part, Mapping)]
            photos = [part.get("image") or part.get("path") for part in parts if part.get("type") == "image"]
            if photos and photos[0] is not None:
                rest["image"] = photos[0]
            content = " ".join(str(part["text"]) for part in parts if part.get("text"))
        if role in ("human", "user"):
            question = _IMAGE_MARK.sub(" ", str(content)).strip()
        elif role in ("gpt", "assistant", "model") and question:
            yield {**rest, "question": question, "answer": content}
            question = None
    if question is not None:  # without an answer
        yield {**rest, "question": question}


def usual(row: dict[str, Any]) -> dict[str, Any]:
    """The cells as `Example` has them: one photo of a list; answers in a list; numbers and truth values as text."""
    photo = row.get("image")
    if isinstance(photo, list | tuple) and len(photo) == 1:
        row["image"] = photo = photo[0]
    if isinstance(photo, Mapping) and photo.get("path"):
        row["image"] = photo["path"]
    if isinstance(row.get("answer"), list | tuple):
        row.setdefault("answers", row.pop("answer"))
    if isinstance(given := row.get("answers"), list | tuple):
        row["answers"] = [_text(a.get("answer") if isinstance(a, Mapping) else a) for a in given]
    row["answer"] = _text(row.get("answer"))
    if isinstance(scores := row.get("answer_scores"), list | Mapping):
        # Parquet has a map as pairs, and a struct with all answers of the table in each row, most of them null.
        row["answer_scores"] = {answer: score for answer, score in dict(scores).items() if score is not None}
    return row


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return None if math.isnan(value) else f"{value:g}" if isinstance(value, float) else str(value)
    return value
