"""Choosing a reader."""

import gzip
from pathlib import Path

import pytest

from tests.data.refusal import refusal
from vqa.data.examples import Example
from vqa.data.readers import FORMATS, drop_missing_photos, iter_examples, read_examples

ROW = '{"image": "a.jpg", "question": "What is it?", "answer": "cat"}\n'
EXAMPLE = Example("a.jpg", "What is it?", answer="cat")


@pytest.mark.parametrize("name", ["data.jsonl", "data.NDJSON", "data.jsonl.gz", "data.csv", "data.csv.gz", "data.tsv"])
def test_format_by_name(tmp_path: Path, name: str) -> None:
    text = ROW if "json" in name.lower() else "image,question,answer\na.jpg,What is it?,cat\n"
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read_examples(tmp_path / name) == [EXAMPLE]


def test_the_format_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text(ROW)
    assert read_examples(str(tmp_path / "data.txt"), format="jsonl") == [EXAMPLE]
    assert "There is no format 'xml': choose one of auto, official" in refusal(
        read_examples, tmp_path / "data.txt", format="xml"
    )
    known = "auto official easy-vqa json jsonl csv xlsx daquar-jsonl daquar coco-qa clevr gqa parquet"
    assert set(FORMATS) == set(known.split())


def test_missing_and_unknown_files_are_reported(tmp_path: Path) -> None:
    assert "There is no file or folder" in refusal(read_examples, tmp_path / "none.jsonl")
    assert "There is no file or folder" in refusal(read_examples, tmp_path / "none")
    assert "There is no file or folder" in refusal(read_examples, "x" * 300)
    assert "is no COCO-QA split" in refusal(read_examples, tmp_path)
    (tmp_path / "data.xyz").write_text(ROW)
    assert "does not show its format: save it as one of .jsonl" in refusal(read_examples, tmp_path / "data.xyz")
    assert "cannot be read" in refusal(read_examples, tmp_path, format="jsonl")
    (tmp_path / "data.jsonl").write_text(ROW)
    assert "There is no folder" in refusal(read_examples, tmp_path / "data.jsonl", images=tmp_path / "none")
    assert "Annotations belong to official" in refusal(read_examples, tmp_path / "data.jsonl", tmp_path / "data.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    assert "holds no example" in refusal(read_examples, tmp_path / "empty.jsonl")
    assert list(iter_examples(tmp_path / "empty.jsonl")) == []


def test_packed_files_that_are_cut_short_or_not_packed(tmp_path: Path) -> None:
    packed = gzip.compress(ROW.encode() * 1000)
    for content in (packed[:-20], packed[:30] + b"\xff" * 20, ROW.encode()):
        (tmp_path / "data.jsonl.gz").write_bytes(content)
        assert "cannot be unpacked" in refusal(read_examples, tmp_path / "data.jsonl.gz")


def test_missing_photos_are_dropped_and_counted(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    names = ["a.jpg", "c.jpg", "b.jpg", "a.jpg", "c.jpg", "folder.jpg", "nul\0.jpg"]
    examples = [Example(str(tmp_path / name), f"What? {i}") for i, name in enumerate(names)]
    kept, dropped = drop_missing_photos(iter(examples))
    assert kept == [examples[0], examples[2], examples[3]] and dropped == 4
