import csv
import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import BarChart

from tests.data.refusal import refusal
from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.model.errors import InputError

HEADER = ["image", "question", "answer", "answers", "question_id", "image_id", "note"]
ROWS = [
    HEADER,
    ["a.jpg", 'What does it say, "stop" or;go?', "stop", "", "12", "000025", "x"],
    ["b.jpg", "Two\nlines?", "", "red| blue |red", "q7", "7", ""],
    ["", "", "", "", "", "", ""],
    ["c.jpg", "Où?", "", "", "", "", ""],
]
EXAMPLES = [
    Example("a.jpg", ROWS[1][1], answer="stop", question_id=12, image_id="000025"),
    Example("b.jpg", "Two\nlines?", answers=("red", "blue", "red"), question_id="q7", image_id=7),
    Example("c.jpg", "Où?"),
]


def workbook(file: Any, rows: list) -> Any:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    book.create_sheet("another").append(["not", "read"])
    book.save(file)
    return file


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_of_spreadsheet_programs(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    path = tmp_path / "data.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(ROWS)
    assert read_examples(path) == EXAMPLES


def test_xlsx_cells_are_read_as_csv(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    typed: list[list[Any]] = [[int(cell) if cell in ("12", "7") else cell or None for cell in row] for row in ROWS]
    typed += [["d.jpg", "how many?", 2], ["e.jpg", "size?", 2.5], ["f.jpg", "when?", datetime.date(2024, 5, 1)]]
    typed += [["g.jpg", "sum?", "=1+1"]]  # openpyxl does not compute: the cell is empty, not the formula's text
    assert read_examples(workbook(tmp_path / "data.xlsx", typed)) == [
        *EXAMPLES,
        Example("d.jpg", "how many?", answer="2"),
        Example("e.jpg", "size?", answer="2.5"),
        Example("f.jpg", "when?", answer="2024-05-01 00:00:00"),
        Example("g.jpg", "sum?"),
    ]
    assert "data.xlsx: reading the first sheet, 'Sheet', and not 'another'." in caplog.messages[-1]


def test_hidden_and_empty_sheets_do_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book = openpyxl.Workbook()
    book.active.append(["lists", "for menus"])
    book.active.sheet_state = "hidden"
    sheet = book.create_sheet("questions")
    for row in (["image", "question"], ["a.jpg", "why?"]):
        sheet.append(row)
    book.create_sheet("empty")
    book.save(tmp_path / "data.xlsx")
    assert read_examples(tmp_path / "data.xlsx") == [Example("a.jpg", "why?")] and not caplog.messages
    sheet.sheet_state = "hidden"
    del book["empty"]
    book.create_chartsheet("chart").add_chart(BarChart())
    book.save(tmp_path / "charts.xlsx")
    with pytest.raises(InputError, match="it has no visible sheet"):
        read_examples(tmp_path / "charts.xlsx")


def test_header_order_spaces_and_folder_of_photos(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('"question" , "image"\nWhat?,a.jpg\n')
    book = workbook(tmp_path / "data.XLSX", [["question", " image "], ["What?", "a.jpg"]])
    for table in (path, book):
        assert read_examples(table, images=tmp_path) == [Example(str(tmp_path / "a.jpg"), "What?")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Line 1 of {path} has no column 'image' (it has: none)"),
        ("a.jpg,What?\n", "Line 1 of {path} has no column 'image' (it has: a.jpg, What?)"),
        ("image,answer\n", "Line 1 of {path} has no column 'question'"),
        ("image,question\na,What?\nb,this, or that?\n", "Line 3 of {path} has 3 columns where the header has 2"),
        ("image,question\na.jpg,What?\n,Who?\n", "Line 3 of {path} has no 'image': add"),
        ('image,question\na.jpg,What?\nb.jpg,"What?\n' + "c.jpg,What?\n" * 30, "Line 3 of {path} is not CSV"),
        ("image,question\na.jpg,What?\n\n\nb.jpg,\n", "Line 5 of {path} has no 'question': add"),
        ("image,question\na.jpg," + "x" * 200_000, "Line 2 of {path} is not CSV (field larger"),
    ],
)
def test_invalid_csv_is_reported_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text, newline="")
    assert message.format(path=path) in refusal(read_examples, path)


def test_invalid_workbooks_are_reported(tmp_path: Path) -> None:
    path = workbook(tmp_path / "data.xlsx", [])
    assert f"Row 1 of {path} in its first sheet has no column 'image' (it has: none)" in refusal(read_examples, path)
    whole = workbook(path, [HEADER, ["a.jpg", "What?"], [], ["b.jpg", None, "cat"]]).read_bytes()
    assert f"Row 4 of {path} has no 'question'" in refusal(read_examples, path)
    for content in (b"", b"image,question\n", whole[: len(whole) // 2], b"PK\x03\x04" + b"\0" * 100):
        path.write_bytes(content)
        assert "cannot be read as XLSX" in refusal(read_examples, path)


def test_numbers_of_a_data_set_and_names(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    ids = ["0", "25000", "007", "-3", "1.0", "٣", "9" * 5000]
    path.write_text("image,question,question_id\n" + "".join(f"a,?,{i}\n" for i in ids), encoding="utf-8")
    assert [e.question_id for e in read_examples(path)] == [0, 25000, *ids[2:]]


def test_a_damaged_line_of_utf_8_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("image,question\na.jpg,O\xf9?\n".encode("latin-1") + "b.jpg,Où?\n".encode())
    message = refusal(read_examples, path)
    assert message.startswith(f"Line 2 of {path} is not UTF-8 text (byte 8)") and "CSV UTF-8" in message


def test_what_spreadsheets_and_programs_leave_in_cells(tmp_path: Path) -> None:
    """Truth values, errors of formulas, sums of floats, blanks around names, empty parts of a list, and a column twice,
    of which the first counts. A text that looks like a number stays as it is: it may be a version."""
    path = tmp_path / "data.csv"
    path.write_text("image,question,answer,answer\n a.jpg\u00a0 ,how many?,3.0,cat\nb.jpg,how much?,-2.50,dog\n")
    assert read_examples(path) == [Example("a.jpg", "how many?", "3.0"), Example("b.jpg", "how much?", "-2.50")]
    path.write_text("image,question,answers\na.jpg,what?,chair||3.00|\nb.jpg,what?,|\n")
    assert [e.answers for e in read_examples(path)] == [("chair", "3.00"), ()]
    cells = [True, "#N/A", 0.1 + 0.2, False, 1e20, 123456789.1234, "1.0"]
    book = workbook(tmp_path / "data.xlsx", [HEADER, *(["a.jpg", "?", cell] for cell in cells)])
    expected = ["yes", None, "0.3", "no", "100000000000000000000", "123456789.1234", "1.0"]
    assert [e.answer for e in read_examples(book)] == expected
