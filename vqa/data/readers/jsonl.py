"""JSON lines: one object a line with the fields of `vqa.data.examples.Example`."""

from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.text_files import json_rows


def read_jsonl(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a JSONL file (plain or .gz), one a line; blank lines are skipped.

    Raises `InputError` if the file cannot be read, or a line is not JSON or not an example.
    """
    for row, where in json_rows(path):
        yield example_from_dict(row, where, images)


def read_pairs(path: Path) -> Iterator[Example]:
    """Yields questions with answers that need no photo; without an `image` it is "none". Errors as `read_jsonl`."""
    for row, where in json_rows(path):
        yield example_from_dict({"image": "none", **row} if isinstance(row, dict) else row, where)
