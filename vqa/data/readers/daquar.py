"""DAQUAR, in its original text form and as JSON lines.

Source: Malinowski and Fritz, "A Multi-World Approach to Question Answering about Real-World Scenes based
on Uncertain Input", NeurIPS 2014.

An answer of DAQUAR is one thing ("desk") or several ("book, scissor"), and correct only when all are
named. So an answer of several parts stays one answer, its parts joined by ", ".
"""

import re
from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.photo_names import photos_by_stem
from vqa.data.readers.text_files import json_rows, numbered_lines
from vqa.model.errors import InputError

# "what is on the desk in the image3 ?": the photo's name is not part of the question.
_PHOTO = re.compile(r"\b(?:(?:in|of|on|from|at)\s+)?(?:(?:the|this|that)\s+)?image\s?([0-9]{1,9})\b", re.IGNORECASE)


def read_daquar_jsonl(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a JSONL file whose lines hold the parts of the answer as `answers_list`.

    Raises `InputError` if the file cannot be read, or a line is not JSON or not an example.
    """
    for row, where in json_rows(path):
        if isinstance(row, dict):
            row.setdefault("source", "daquar")
            parts = row.get("answers_list")
            if parts is not None:
                if not (isinstance(parts, list) and all(isinstance(part, str) for part in parts)):
                    raise InputError(f"{where}: 'answers_list' must be a list of texts, not {parts!r:.80}: correct it.")
                row["answer"] = ", ".join(parts)
        yield example_from_dict(row, where, images)


def read_daquar_text(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of an original file, where a line with a question is followed by its answer.

    The photo of a question is `image3.png` (or another suffix, if `images` holds that) for "image3". Raises
    `InputError` if the file cannot be read, a question names no photo or has no answer.
    """
    names = {} if images is None else photos_by_stem(images)
    lines = ((number, line.strip()) for number, line in numbered_lines(path) if line.strip())
    for position, (number, question) in enumerate(lines):
        where = f"Line {number} of {path}"
        photos = list(_PHOTO.finditer(question))
        if not photos:
            raise InputError(f"{where} names no photo (as 'in the image3 ?'): put the photo's name into the question.")
        _, answer = next(lines, (0, ""))
        if not answer or _PHOTO.search(answer):
            raise InputError(f"{where} is a question without an answer: add a line with its answer.")
        photo = photos[-1]
        stem = f"image{photo[1]}"
        asked = question[: photo.start()].rstrip() + " " + question[photo.end() :].strip(" ,?")
        row = {
            "image": names.get(stem, f"{stem}.png"),
            "question": asked.strip() + "?",
            "answer": ", ".join(part.strip().replace("_", " ") for part in answer.split(",")),
            "question_id": position,
            "image_id": int(photo[1]),
            "source": "daquar",
        }
        yield example_from_dict(row, where, images)
