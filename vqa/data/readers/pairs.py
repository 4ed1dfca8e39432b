"""Questions with answers but without a photo: language alone."""

from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.jsonl import json_rows


def read_pairs(path: Path) -> Iterator[Example]:
    """Yields the rows of a JSONL file (plain or .gz) with `question`, `answer` and perhaps `image_id`.

    The `image` of a row that names none is "none".

    Raises:
        InputError: the file cannot be read, or a line is not JSON or lacks its question.
    """
    for row, where in json_rows(path):
        yield example_from_dict({"image": "none", **row} if isinstance(row, dict) else row, where)
