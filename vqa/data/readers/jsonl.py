"""JSON with a row for each question: one object a line, or a list of objects."""

from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.rows import examples
from vqa.data.readers.text_files import json_rows, read_document
from vqa.model.errors import InputError


def read_jsonl(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a JSONL file (plain or .gz), one a line or a conversation; blank lines are skipped.

    Raises `InputError` if the file cannot be read, or a line is not JSON or not an example.
    """
    for row, where in json_rows(path):
        yield from examples(row, where, path, images)


def read_json(path: Path, images: Path | None = None) -> Iterator[Example]:
    """As `read_jsonl`, for a JSON file with a list of rows, which may be the only list of an object."""
    rows = read_document(path)
    if isinstance(rows, dict):
        lists = [value for value in rows.values() if isinstance(value, list)]
        rows = lists[0] if len(lists) == 1 else None
    if not isinstance(rows, list):
        raise InputError(f"{path} holds no list of questions: give a list of objects with image, question and answer.")
    for number, row in enumerate(rows, start=1):
        yield from examples(row, f"Entry {number} of {path}", path, images)


def read_pairs(path: Path) -> Iterator[Example]:
    """Yields questions with answers that need no photo; without an `image` it is "none". Errors as `read_jsonl`."""
    for row, where in json_rows(path):
        yield example_from_dict({"image": "none", **row} if isinstance(row, dict) else row, where)
