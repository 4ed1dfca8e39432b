"""Small files that unpack to far more than any table holds."""

import gzip
import zipfile
from pathlib import Path

import pytest

from tests.data.refusal import refusal
from vqa.data.readers import read_examples, tables, text_files


@pytest.mark.parametrize("content", [b" " * 300_000, b"\n" * 300_000], ids=["one line", "many lines"])
@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "a.csv.gz"])
def test_gz(tmp_path: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "LONGEST", 100_000)
    path = tmp_path / name
    path.write_bytes(gzip.compress(content))
    message = refusal(lambda: list(read_examples(str(path), images=str(tmp_path))))
    assert "more than 200 times as large as its file" in message


def test_gz_of_two_bytes_a_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "LONGEST", 100_000)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress((" " * 300_000).encode("utf-16")))
    assert "more than 200 times as large as its file" in refusal(read_examples, path)


def test_xlsx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "UNPACKED", 1 << 20)
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (2 << 20))
    assert "it unpacks to 2 MB, more than 1" in refusal(lambda: list(read_examples(str(path), images=str(tmp_path))))


def test_a_table_that_repeats_itself_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"image": "a.jpg", "question": "what is it?"}\n' * 20_000))
    assert sum(1 for _ in read_examples(str(path), images=str(tmp_path))) == 20_000
