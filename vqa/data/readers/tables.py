"""Tables: CSV with a header line, as spreadsheets write it."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.text_files import numbered_lines
from vqa.model.errors import InputError

_DELIMITERS = ",;\t"  # Spreadsheets of many countries write ";" where the comma marks decimals.
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


def read_csv(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a CSV file (UTF-8; columns separated by ",", ";" or tab).

    The columns are named as the fields of `Example`: `image` and `question`, and optionally `answer`,
    `answers` (separated by "|"), `question_id` and the others except `answer_scores`. An empty cell is a
    missing field; other columns are ignored.

    Raises:
        InputError: the file cannot be read, a required column is missing, or a row is invalid.
    """
    lines = (line for _, line in numbered_lines(path))
    header = next(lines, "")
    delimiter = max(_DELIMITERS, key=header.count)
    columns = [name.strip(' "\r\n') for name in header.split(delimiter)]
    check_header(columns, f"Line 1 of {path}")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue  # a blank line, or a row of empty cells as spreadsheets leave at the end
            where = f"Line {rows.line_num + 1} of {path}"
            if len(cells) != len(columns):
                raise InputError(
                    f"{where} has {len(cells)} columns where the header has {len(columns)}: "
                    'put text that contains the separator between double quotes (").'
                )
            yield table_example(columns, cells, where, images)
    except csv.Error as error:
        raise InputError(f"Line {rows.line_num + 1} of {path} is not CSV ({error}): correct that line.") from error


def check_header(columns: list[str], where: str) -> None:
    """Raises `InputError` unless the columns include those of questions about photos."""
    for name in ("image", "question"):
        if name not in columns:
            raise InputError(
                f"{where} has no column '{name}' (it has: {', '.join(columns) or 'none'}): "
                "add a header line with the columns image, question, answer."
            )


def table_example(columns: list[str], cells: list[str], where: str, images: Path | None) -> Example:
    """The example of one row; arguments and errors as for `example_from_dict`."""
    row: dict[str, object] = {name: cell for name, cell in zip(columns, cells, strict=True) if cell.strip()}
    if isinstance(answers := row.get("answers"), str):
        row["answers"] = [answer.strip() for answer in answers.split("|")]
    for name in ("question_id", "image_id"):
        cell = row.get(name)
        if isinstance(cell, str) and _NUMBER.fullmatch(cell):
            row[name] = int(cell)  # "25000" is the number of VQA; "000025" is a name
    row.pop("answer_scores", None)
    return example_from_dict(row, where, images)
