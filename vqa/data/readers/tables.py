"""Tables with a header row: CSV, and the first sheet of an XLSX workbook, as spreadsheet programs save them."""

import csv
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.text_files import numbered_lines
from vqa.model.errors import InputError

_DELIMITERS = ",;\t"  # spreadsheets of many countries write ";", since the comma marks decimals
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


def read_csv(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a CSV file (UTF-8; columns separated by ",", ";" or tab).

    The columns are named as the fields of `Example`: `image` and `question`, and optionally `answer`, `answers`
    (separated by "|"), `question_id` and the others except `answer_scores`. An empty cell is a missing field; other
    columns are ignored. Raises `InputError` if the file cannot be read, a required column is missing, or a row is
    invalid.
    """
    lines = (line for _, line in numbered_lines(path))
    header = next(lines, "")
    delimiter = max(_DELIMITERS, key=header.count)
    columns = [name.strip(' "\r\n') for name in header.split(delimiter)]
    _check_header(columns, f"Line 1 of {path}")
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
            yield _example(columns, cells, where, images)
    except csv.Error as error:
        raise InputError(f"Line {rows.line_num + 1} of {path} is not CSV ({error}): correct that line.") from error


def read_xlsx(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a workbook's first sheet; columns as for `read_csv`.

    A formula is read as its saved value; rows without any value are skipped. Raises `InputError` if openpyxl is not
    installed, the file is no workbook, a required column is missing, or a row invalid.
    """
    rows = _sheet(path)
    columns = [name.strip() for name in next(rows, [])]
    while columns and not columns[-1]:
        columns.pop()
    _check_header(columns, f"Row 1 of {path}")
    for number, cells in enumerate(rows, start=2):
        if any(cell.strip() for cell in cells):
            cells += [""] * (len(columns) - len(cells))  # a row ends with the last cell that was ever written
            yield _example(columns, cells[: len(columns)], f"Row {number} of {path}", images)


def _sheet(path: Path) -> Iterator[list[str]]:
    """The rows of the first sheet as text, streamed; whole numbers without a decimal point."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(f"Reading {path} needs openpyxl: run `pip install openpyxl`.") from error

    def text(value: Any) -> str:
        if value is None:
            return ""
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    book = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # some programs write wrong ones
            yield from (list(map(text, values)) for values in sheet.iter_rows(values_only=True))
    except Exception as error:  # a damaged archive can raise almost anything
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(f"{path} cannot be read as XLSX ({reason:.200}): open it and save it again.") from error
    finally:
        if book is not None:
            book.close()


def _check_header(columns: list[str], where: str) -> None:
    for name in ("image", "question"):
        if name not in columns:
            raise InputError(
                f"{where} has no column '{name}' (it has: {', '.join(columns) or 'none'}): "
                "add a header line with the columns image, question, answer."
            )


def _example(columns: list[str], cells: list[str], where: str, images: Path | None) -> Example:
    row: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=True) if cell.strip()}
    if "answers" in row:
        row["answers"] = [answer.strip() for answer in row["answers"].split("|")]
    for name in ("question_id", "image_id"):
        if _NUMBER.fullmatch(row.get(name, "")):
            row[name] = int(row[name])  # "25000" is the number of VQA; "000025" is a name
    row.pop("answer_scores", None)
    return example_from_dict(row, where, images)
