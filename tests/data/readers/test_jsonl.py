from pathlib import Path

import pytest

from tests.data.refusal import refusal
from vqa.data.examples import Example, targets
from vqa.data.readers.jsonl import read_jsonl, read_pairs


def test_blank_lines_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"image": "a", "question": "?"}\r\n\r\n  \n{"image": "b", "question": "?"}')
    assert [e.image for e in read_jsonl(path, tmp_path)] == [str(tmp_path / "a"), str(tmp_path / "b")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"image": "a.jpg", "question": "?"', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"image": "a.jpg", "question_id": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b'"text"', "is no object"),
        (b'{"image": "a.jpg"}', "has no 'question': add that field or delete the row"),
        (b'{"image": "a.jpg", "question": "caf\xe9"}', "is not UTF-8 text (byte 36): save the file with"),
    ],
)
def test_invalid_line_is_reported_with_file_and_number(tmp_path: Path, line: bytes, expected: str) -> None:
    path = tmp_path / "data.jsonl"
    good = b'{"image": "a.jpg", "question": "?"}'
    path.write_bytes(b"\n".join([good] * 8 + [b""] + [good] * 7 + [line, good]))
    rows = read_jsonl(path)
    assert len([next(rows) for _ in range(15)]) == 15
    message = refusal(next, rows)
    assert message.startswith(f"Line 17 of {path}") and expected in message


def test_real_questions(shared: Path) -> None:
    path = shared / "data/coco/questions_train.jsonl"
    examples = list(read_jsonl(path, path.parent / "photos"))
    assert len(examples) == 57_509
    assert len({e.question_id for e in examples}) == len(examples)
    by_source = {source: [e for e in examples if e.source == source] for source in ("vqa-v2", "ok-vqa", "coco-qa")}
    assert [len(found) for found in by_source.values()] == [3592, 1540, 11_837]
    assert all(len(e.answers) == 10 and max(targets(e).values()) > 0 for e in by_source["vqa-v2"])
    assert all(set(targets(e).values()) <= {0.667, 1.0} for e in by_source["ok-vqa"])
    assert all(sum(targets(e).values()) == 1 for e in by_source["coco-qa"])


def test_pairs_need_no_photo(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"question": "What?", "answer": "cat", "image_id": 25}\n{"question": "Who?", "image": "a.jpg"}\n')
    assert list(read_pairs(path)) == [Example("none", "What?", "cat", image_id=25), Example("a.jpg", "Who?")]
    for line, message in (('{"answer": "cat"}', "has no 'question'"), ("3", "is no object")):
        path.write_text(line)
        assert f"Line 1 of {path} {message}" in refusal(list, read_pairs(path))
