"""Workbooks, as spreadsheet programs write them."""

import datetime
from pathlib import Path

import openpyxl
import pytest

from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.model.errors import InputError

HEADER = ["image", "question", "answer", "answers", "question_id", "image_id", "note"]


def save(path: Path, rows: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("another").append(["not", "read"])
    book.save(path)
    return path


def test_cells_become_what_csv_would_hold(tmp_path: Path) -> None:
    rows = [
        HEADER,
        ["a.jpg", "how many?", 2, None, 12, "000025", "x"],
        ["b.jpg", "Two\nlines?", None, "red| blue |red", "q7", 7, None],
        [None] * 7,
        ["c.jpg", "Où?", 2.5],
        ["d.jpg", "when?", datetime.date(2024, 5, 1)],
    ]
    assert read_examples(save(tmp_path / "data.xlsx", rows)) == [
        Example("a.jpg", "how many?", answer="2", question_id=12, image_id="000025"),
        Example("b.jpg", "Two\nlines?", answers=("red", "blue", "red"), question_id="q7", image_id=7),
        Example("c.jpg", "Où?", answer="2.5"),
        Example("d.jpg", "when?", answer="2024-05-01 00:00:00"),
    ]


def test_the_folder_of_the_photos_stands_before_their_names(tmp_path: Path) -> None:
    path = save(tmp_path / "data.XLSX", [["question", " image "], ["What?", "a.jpg"]])
    assert read_examples(path, images=tmp_path) == [Example(str(tmp_path / "a.jpg"), "What?")]


def test_a_formula_is_the_value_that_was_saved_with_it(tmp_path: Path) -> None:
    """None was, as openpyxl does not calculate: the cell is empty, and not the formula's text."""
    path = save(tmp_path / "data.xlsx", [HEADER[:3], ["a.jpg", "how many?", "=1+1"]])
    assert read_examples(path) == [Example("a.jpg", "how many?")]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "Row 1 of {path} has no column 'image' (it has: none)"),
        ([["image", "answer"]], "Row 1 of {path} has no column 'question'"),
        ([HEADER, ["a.jpg", "What?"], [], ["b.jpg", None, "cat"]], "Row 4 of {path} has no 'question'"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, rows: list[list[object]], told: str) -> None:
    path = save(tmp_path / "data.xlsx", rows)
    with pytest.raises(InputError) as caught:
        read_examples(path)
    assert told.format(path=path) in str(caught.value)


def test_what_is_no_workbook_is_told(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.xlsx", [HEADER, ["a.jpg", "What?"]]).read_bytes()
    for content in (b"", b"image,question\n", whole[: len(whole) // 2], b"PK\x03\x04" + b"\0" * 100):
        path = tmp_path / "data.xlsx"
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_examples(path)
        assert "cannot be read as XLSX" in str(caught.value) and "\n" not in str(caught.value)
