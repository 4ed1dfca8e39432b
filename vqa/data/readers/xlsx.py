"""XLSX: the first sheet of a workbook, as saved by Excel, LibreOffice and Google Sheets."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vqa.data.examples import Example
from vqa.data.readers.tables import check_header, table_example
from vqa.model.errors import InputError


def read_xlsx(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a workbook's first sheet, whose first row names the columns as for `read_csv`.

    A formula is read as its saved value; rows without any value are skipped.

    Raises:
        InputError: openpyxl is not installed, the file is no workbook, a required column is missing, or a row invalid.
    """
    rows = _rows(path)
    columns = [_text(value).strip() for value in next(rows, ())]
    while columns and not columns[-1]:
        columns.pop()
    check_header(columns, f"Row 1 of {path}")
    for number, values in enumerate(rows, start=2):
        cells = [_text(value) for value in values]
        if any(cell.strip() for cell in cells):
            cells += [""] * (len(columns) - len(cells))  # a row ends with the last cell that was ever written
            yield table_example(columns, cells[: len(columns)], f"Row {number} of {path}", images)


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """The rows of the first sheet, streamed."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(f"Reading {path} needs openpyxl: run `pip install openpyxl`.") from error
    book = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # some programs write wrong ones
            yield from sheet.iter_rows(values_only=True)
    except Exception as error:  # a damaged archive can raise almost anything
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(f"{path} cannot be read as XLSX ({reason:.200}): open it and save it again.") from error
    finally:
        if book is not None:
            book.close()


def _text(value: Any) -> str:
    """A cell as text: whole numbers without a decimal point."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
