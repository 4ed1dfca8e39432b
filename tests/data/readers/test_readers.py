import gzip
import json
from pathlib import Path

import pytest

from tests.data.refusal import refusal
from vqa.data.examples import Example
from vqa.data.readers import FORMATS, drop_missing_photos, iter_examples, read_examples

ROW = '{"image": "a.jpg", "question": "What is it?", "answer": "cat"}\n'


def test_the_format_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text(ROW)
    assert read_examples(str(path), format="jsonl") == [Example("a.jpg", "What is it?", answer="cat")]
    assert "no format 'xml': choose one of auto, official" in refusal(read_examples, path, format="xml")
    known = "auto official easy-vqa json jsonl csv xlsx daquar-jsonl daquar coco-qa clevr gqa parquet"
    assert set(FORMATS) == set(known.split())


def test_missing_and_unknown_files_are_reported(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path / "none", "x" * 300):
        assert "There is no file or folder" in refusal(read_examples, path)
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


@pytest.mark.parametrize("name", ["data.jsonl.gz", "data.json.gz"])
def test_packed_files_that_are_cut_short_or_not_packed(tmp_path: Path, name: str) -> None:
    packed = gzip.compress(ROW.encode() * 1000)
    for content in (packed[:-20], packed[:30] + b"\xff" * 20, ROW.encode()):
        (tmp_path / name).write_bytes(content)
        assert "cannot be unpacked" in refusal(read_examples, tmp_path / name)


@pytest.mark.parametrize("name", ["data.json", "data.JSON", "data.json.gz", "data.JSON.gz"])
@pytest.mark.parametrize(
    "document",
    [
        {"questions": [{"image_id": 1, "question": "What is it?", "question_id": 1}], "data_subtype": "val2014"},
        {"questions": [{"image_filename": "a.jpg", "question": "What is it?"}]},
        {"1": {"imageId": "a", "question": "What is it?"}},
        {"data": [{"image": "a.jpg", "question": "What is it?"}]},
        {"image": "a.jpg", "question": "What is it?"},
        {"img": "a.jpg", "Query": "What is it?", "q": 7},
        {"image": "a.jpg", "messages": [{"role": "user", "content": "What is it?"}]},
    ],
)
def test_a_document_of_one_line(tmp_path: Path, name: str, document: dict) -> None:
    content = json.dumps(document).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (example,) = read_examples(tmp_path / name)
    assert example.question == "What is it?"


def test_missing_photos_are_dropped_and_counted(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    names = ["a.jpg", "c.jpg", "b.jpg", "a.jpg", "c.jpg", "folder.jpg", "nul\0.jpg"]
    examples = [Example(str(tmp_path / name), f"What? {i}") for i, name in enumerate(names)]
    kept, dropped = drop_missing_photos(iter(examples))
    assert kept == [examples[0], examples[2], examples[3]] and dropped == 4
