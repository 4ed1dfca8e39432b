import csv
from pathlib import Path

import pytest

from vqa.data.examples import Example
from vqa.data.readers.tables import read_csv
from vqa.model.errors import InputError

ROWS = [
    ["image", "question", "answer", "answers", "question_id", "image_id", "note"],
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


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_as_spreadsheets_write_it(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    path = tmp_path / "data.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(ROWS)
    assert list(read_csv(path)) == EXAMPLES


def test_quoted_header_and_folder_of_photos(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('"image" , "question"\na.jpg,What?\n')
    assert list(read_csv(path, tmp_path)) == [Example(str(tmp_path / "a.jpg"), "What?")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Line 1 of {path} has no column 'image' (it has: none)"),
        ("a.jpg,What?\n", "Line 1 of {path} has no column 'image' (it has: a.jpg, What?)"),
        ("image,answer\n", "Line 1 of {path} has no column 'question'"),
        ("image,question\ra.jpg,What?\r", "Line 1 of {path} has no column"),
        (
            "image,question\na.jpg,What?\nb.jpg,this, or that?\n",
            "Line 3 of {path} has 3 columns where the header has 2",
        ),
        ("image,question\na.jpg,What?\n,Who?\n", "Line 3 of {path} has no 'image': add"),
        ('image,question\na.jpg,"What?\n', "Line 2 of {path} is not CSV"),
        ("image,question\na.jpg,What?\n\n\nb.jpg,\n", "Line 5 of {path} has no 'question': add"),
        ("image,question\na.jpg," + "x" * 200_000, "Line 2 of {path} is not CSV (field larger"),
    ],
)
def test_broken_tables_are_told_with_their_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text, newline="")
    with pytest.raises(InputError) as caught:
        list(read_csv(path))
    message = str(caught.value)
    assert told.format(path=path) in message and message.endswith(".") and len(message) < 400


def test_numbers_are_the_numbers_of_the_data_set_and_names_stay_names(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    ids = ["0", "25000", "007", "-3", "1.0", "٣", "9" * 5000]
    path.write_text("image,question,question_id\n" + "".join(f"a,?,{i}\n" for i in ids), encoding="utf-8")
    assert [e.question_id for e in read_csv(path)] == [0, 25000, *ids[2:]]


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("image,question\na.jpg,O\xf9?\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"Line 2 of .* is not UTF-8 text \(byte 8\).*CSV UTF-8"):
        list(read_csv(path))
