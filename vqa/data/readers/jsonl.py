"""JSON lines: one object a line with the fields of `vqa.data.examples.Example`."""

import json
from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.lines import is_blank, numbered_lines
from vqa.model.errors import InputError


def json_rows(path: Path) -> Iterator[tuple[object, str]]:
    """Each line that is not blank, parsed, with its place ("Line 17 of data.jsonl")."""
    for number, line in numbered_lines(path):
        if is_blank(line):
            continue
        where = f"Line {number} of {path}"
        try:
            yield json.loads(line), where
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where} is not JSON ({error}): mend or delete that line.") from error


def read_jsonl(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a JSONL file, one a line; blank lines hold none.

    Raises:
        InputError: the file cannot be read, or a line is not JSON or not an example.
    """
    for row, where in json_rows(path):
        yield example_from_dict(row, where, images)
