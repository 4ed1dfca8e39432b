"""Tables with the habits of the programs that save them; the same three questions in each."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.readers.test_tables import workbook
from tests.data.refusal import refusal
from vqa.data.examples import Example
from vqa.data.readers import read_examples

ROWS = [
    ("a.jpg", "Où est le chien, à côté ?", "là"),
    ("b.jpg", 'Is it "red"; or blue?', "red"),
    ("c.jpg", "How many?", "2"),
]
HEADER = ("image", "question", "answer")


def text(separator: str = ",", end: str = "\r\n", header: tuple[str, ...] = HEADER, rows=ROWS, start: str = "") -> str:
    """A table with cells in quotes where they need it, as all spreadsheet programs do."""
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=end).writerows((header, *rows))
    return start + file.getvalue()


def parquet(columns: dict) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def turns(name: str, role: str, content: str, person: str, model: str) -> list[dict]:
    return [
        {"image": image, name: [{role: person, content: f"<image>\n{q}"}, {role: model, content: a}]}
        for image, q, a in ROWS
    ]


PARTS = [
    {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Answer in a word."}]},
            {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ]
    }
    for image, question, answer in ROWS
]
DICTS = [dict(zip(HEADER, row, strict=True)) for row in ROWS]


def lines(rows: list) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


INDEXED = [(str(i), *row) for i, row in enumerate(ROWS)]
TYPED = [(image, question, int(answer) if answer.isdecimal() else answer) for image, question, answer in ROWS]
WIDE = text(";", header=(*HEADER, "", ""), rows=[(*row, "", "") for row in ROWS]) + ";;;;\r\n" * 3
TABLE = {"file_name": [r[0] for r in ROWS], "query": [r[1] for r in ROWS], "answers": [[r[2]] for r in ROWS]}
SAVED: dict[str, tuple[str, bytes]] = {
    "Excel, CSV UTF-8": ("t.csv", text().encode("utf-8-sig")),
    "Excel, CSV of Windows": ("t.csv", text(";").encode("cp1252")),
    "Excel, CSV of Macintosh": ("t.csv", text(";", "\r").encode("mac_roman")),
    "Excel, Unicode text": ("t.txt", text("\t").encode("utf-16")),
    "Excel, with sep=": ("t.csv", text(";", start="sep=;\r\n").encode("utf-8-sig")),
    "LibreOffice, UTF-8": ("t.csv", text(end="\n").encode()),
    "LibreOffice, UTF-16": ("t.csv", text(end="\n").encode("utf-16")),
    "LibreOffice, separated by |": ("t.csv", text("|", "\n").encode()),
    "Numbers, with the table's name": ("t.csv", text(";", start="Table 1\r\n").encode()),
    "Google, TSV": ("t.tsv", text("\t").encode()),
    "a database, big-endian UTF-16": ("t.csv", b"\xfe\xff" + text().encode("utf-16-be")),
    "pandas, with an index": ("t.csv", text(end="\n", header=("", *HEADER), rows=INDEXED).encode()),
    "other names": ("t.csv", text(header=("Image Path", "QUERY", "gt-answer")).encode()),
    "further names, with blanks": ("t.csv", text(header=(" File_Name ", "Prompt", "Label")).encode()),
    "empty rows and columns": ("t.csv", WIDE.encode()),
    "compressed": ("t.csv.gz", gzip.compress(text().encode())),
    "XLSX, with a title": ("t.xlsx", workbook(io.BytesIO(), [("My questions",), (), HEADER, *TYPED]).getvalue()),
    "JSON lines": ("t.NDJSON", lines([{"img": i, "question": q, "label": a} for i, q, a in TYPED]).encode()),
    "PowerShell, JSON lines": ("t.jsonl", lines(DICTS).encode("utf-16")),
    "JSON lines named .json": ("t.json", lines(DICTS).encode()),
    "a JSON list named .jsonl": ("t.jsonl", json.dumps(DICTS, indent=1).encode()),
    "a JSON list": ("t.json", json.dumps(DICTS).encode()),
    "a JSON object with a list": ("t.json", json.dumps({"version": 1, "data": DICTS}).encode()),
    "LLaVA": ("t.json", json.dumps(turns("conversations", "from", "value", "human", "gpt")).encode()),
    "OpenAI's messages": ("t.jsonl", lines(turns("messages", "role", "content", "user", "assistant")).encode()),
    "messages of parts": ("t.jsonl", lines(PARTS).encode()),
    "Parquet": ("t.parquet", parquet(TABLE)),
}  # fmt: skip


@pytest.mark.parametrize("program", SAVED)
def test_a_table_is_read(tmp_path: Path, program: str, caplog: pytest.LogCaptureFixture) -> None:
    name, content = SAVED[program]
    (tmp_path / name).write_bytes(content)
    read = read_examples(tmp_path / name, images=tmp_path)
    expected = [(str(tmp_path / image), question, answer) for image, question, answer in ROWS]
    assert [(e.image, e.question, e.answer or e.answers[0]) for e in read] == expected
    assert len(caplog.messages) <= 1


def test_what_is_taken_for_what_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Photo,Question,label\na.jpg,What?,cat\n")
    for _ in range(2):
        assert read_examples(path) == [Example("a.jpg", "What?", "cat")]
    assert caplog.messages == [f"{path}: reading 'Photo' as image, 'label' as answer."]


@pytest.mark.parametrize(
    ("encoding", "question"),
    [
        ("cp1250", "jaki kolor ma żółta łódź, która stoi obok małej wyspy? czy ktoś w niej siedzi, i co robią ludzie?"),
        ("cp1251", "какого цвета кошка на столе?"),
        ("cp932", "猫は何色ですか?"),
        ("gb18030", "桌子上的猫是什么颜色的?"),
        ("cp1252", "c'est un \u201ccafé\u201d, n'est-ce pas \u2013 où?"),
    ],
)
def test_encodings_of_before_utf_8(tmp_path: Path, encoding: str, question: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text(";", rows=[("a.jpg", question, "x")]).encode(encoding))
    assert read_examples(path) == [Example("a.jpg", question, "x")]


@pytest.mark.parametrize("image", [r"sub\a.jpg", r"C:\Users\ann\a.jpg", r"\\server\share\a.jpg", r".\sub\a.jpg"])
def test_paths_of_windows(tmp_path: Path, image: str) -> None:
    photo = tmp_path / ("sub" if "sub" in image else ".") / "a.jpg"
    photo.parent.mkdir(exist_ok=True)
    photo.touch()
    (tmp_path / "t.csv").write_text(f"image,question\n{image},What?\n")
    (read,) = read_examples(tmp_path / "t.csv", images=tmp_path)
    assert Path(read.image).samefile(photo)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_an_image_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    row = '{"file_name": "a.jpg", "question": "What?", "answer": "cat"}\n'
    (folder / name).write_text("file_name,question,answer\na.jpg,What?,cat\n" if name.endswith("csv") else row)
    assert read_examples(folder) == [Example(str(folder / "a.jpg"), "What?", "cat")]
    assert read_examples(folder, images="tests")[0].image == "tests/a.jpg"
    assert f"several splits: give one of {folder}" in refusal(read_examples, tmp_path)


def test_a_conversation_of_several_turns(tmp_path: Path) -> None:
    said = ["<image>\nWhat is it?", "a cat", "What color?", "black", "Why?"]
    turns = [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(said)]
    (tmp_path / "t.json").write_text(json.dumps([{"images": ["a.jpg"], "id": 7, "conversations": turns}]))
    expected = [("What is it?", "a cat"), ("What color?", "black"), ("Why?", None)]
    assert read_examples(tmp_path / "t.json") == [Example("a.jpg", *pair) for pair in expected]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xls", b"\xd0\xcf\x11\xe0", "does not show its format"),
        ("t.numbers", b"PK\x03\x04", "does not show its format"),
        ("t.zip", b"PK\x03\x04", "does not show its format"),
        ("t.csv", workbook(io.BytesIO(), [HEADER, *ROWS]).getvalue(), "is a workbook or an archive"),
        ("t.json", b'{"a": 1}', "holds no list of questions"),
        ("t.json", json.dumps(DICTS).encode()[:-9], "is not JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refusal(read_examples, tmp_path / name)
