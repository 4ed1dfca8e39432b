"""Tables with a header row: CSV, and the first visible sheet of an XLSX workbook, as spreadsheet programs save them."""

import csv
import itertools
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.rows import columns, remark
from vqa.data.readers.text_files import numbered_lines, opened
from vqa.model.errors import InputError, reason

_DELIMITERS = ",;\t|"  # spreadsheets of many countries write ";", since the comma marks decimals
_SEPARATOR = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)  # a first line for Excel
UNPACKED = 512 << 20  # bytes of a workbook
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_ERRORS = {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"}  # a cell without a value


def read_csv(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a CSV file as spreadsheet programs of any country save it.

    The columns are separated by ",", ";", tab, "|" or what a first line `sep=` names, and have the names of the fields
    of `Example` or usual synonyms (see `vqa.data.readers.rows`): `image` and `question`, and optionally `answer`,
    `answers` (separated by "|") and the others. Titles above the header are skipped. An empty cell is a missing field;
    other columns are ignored. Raises `InputError` if the file cannot be read, a required column is missing, or a row is
    invalid.
    """
    with suppress(OSError, EOFError, zlib.error), opened(path) as file:  # which the next line reports
        if file.read(4) in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            raise InputError(f"{path} is a workbook or an archive and no CSV: save the table as CSV UTF-8 or as XLSX.")
    lines = (line for _, line in numbered_lines(path, guess=True))
    first = next(lines, "")
    above = 0
    if separator := _SEPARATOR.fullmatch(first):
        first, above = next(lines, ""), 1
    start = [first, *itertools.islice(lines, 4)]
    header = next((line for line in start if any(mark in line for mark in _DELIMITERS)), "")
    delimiter = separator[1] if separator else max(_DELIMITERS, key=header.count)
    start = [re.sub(r'" +(?=\W)', '"', line) if line == header else line for line in start]  # '"image" , "question"'
    rows = csv.reader(itertools.chain(start, lines), delimiter=delimiter, strict=True, skipinitialspace=True)
    begins = above + 1  # the line in which the next row begins

    def numbered() -> Iterator[tuple[int, list[str]]]:
        nonlocal begins
        for cells in rows:
            yield begins, cells
            begins = rows.line_num + above + 1

    try:
        yield from _examples(numbered(), "Line", path, images)
    except csv.Error as error:
        raise InputError(f"Line {begins} of {path} is not CSV ({error}): correct that line.") from error


def read_xlsx(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a workbook's first visible sheet; columns as for `read_csv`.

    A formula is read as its saved value; rows without any value are skipped. Raises `InputError` if openpyxl is not
    installed, the file is no workbook, a required column is missing, or a row invalid.
    """
    yield from _examples(enumerate(_sheet(path), start=1), "Row", path, images)


def _sheet(path: Path) -> Iterator[list[str]]:
    """The rows of the first sheet as text, streamed; whole numbers without a decimal point."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(f"Reading {path} needs openpyxl: run `pip install openpyxl`.") from error

    def text(value: Any) -> str:
        if value is None or value in _ERRORS:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() else f"{value:.15g}"  # 0.3 for 0.30000000000000004
        return str(value)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(part.file_size for part in archive.infolist())
            if unpacked > UNPACKED:
                raise ValueError(f"it unpacks to {unpacked >> 20:,} MB, more than {UNPACKED >> 20}")
            with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
                visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
                if not visible:
                    raise ValueError("it has no visible sheet")
                sheet, *others = visible
                sheet.reset_dimensions()  # some programs write wrong ones
                if left := [other.title for other in others if _has_cells(other)]:
                    remark(f"{path}: reading the first sheet, {sheet.title!r}, and not {', '.join(map(repr, left))}.")
                yield from (list(map(text, values)) for values in sheet.iter_rows(values_only=True))
    except Exception as error:  # a damaged archive can raise almost anything
        raise InputError(f"{path} cannot be read as XLSX ({reason(error):.200}): open it and save it again.") from error


def _has_cells(sheet: Any) -> bool:
    """Whether the first rows of a sheet hold anything; spreadsheet programs add empty sheets."""
    rows = itertools.islice(sheet.iter_rows(values_only=True), 20)
    return any(cell is not None for row in rows for cell in row)


def _examples(rows: Iterable[tuple[int, list[str]]], kind: str, path: Path, images: Path | None) -> Iterator[Example]:
    """The examples of numbered rows, of which the first with two cells or more is the header."""
    several = (row for row in rows if sum(bool(cell.strip()) for cell in row[1]) > 1)
    number, header = next(several, (1, []))
    while header and not header[-1].strip():
        header.pop()
    fields = columns(tuple(header), path)
    for name in ("image", "question"):
        if name not in fields.values():
            names = ", ".join(map(str.strip, header)) or "none"
            sheet = " in its first sheet" if kind == "Row" else ""
            raise InputError(
                f"{kind} {number} of {path}{sheet} has no column '{name}' (it has: {names}): "
                "add a header line with the columns image, question, answer."
            )
    for number, cells in rows:
        where = f"{kind} {number} of {path}"
        if any(cell.strip() for cell in cells[len(header) :]):
            raise InputError(
                f"{where} has {len(cells)} columns where the header has {len(header)}: "
                'put text that contains the separator between double quotes (").'
            )
        row: dict[str, Any] = {}
        for name, cell in zip(header, cells, strict=False):
            if name in fields and cell.strip() and fields[name] != "answer_scores":
                row.setdefault(fields[name], cell)
        if not row and not any(cell.strip() for cell in cells):
            continue  # a blank line, or a row of empty cells as spreadsheets leave at the end
        if "answers" in row:
            row["answers"] = [part.strip() for part in row["answers"].split("|") if part.strip()]
        if "image" in row:
            row["image"] = row["image"].strip()
        for name in ("question_id", "image_id"):
            if _NUMBER.fullmatch(row.get(name, "")):
                row[name] = int(row[name])  # "25000" is the number of VQA; "000025" is a name
        yield example_from_dict(row, where, images)
