from itertools import islice
from pathlib import Path

import pytest

from vqa.data.examples import Example
from vqa.data.readers.pairs import read_pairs
from vqa.model.errors import InputError


def test_rows_need_no_photo(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"question": "What?", "answer": "cat", "image_id": 25}\n{"question": "Who?", "image": "a.jpg"}\n')
    assert list(read_pairs(path)) == [
        Example("none", "What?", answer="cat", image_id=25),
        Example("a.jpg", "Who?"),
    ]
    path.write_text('{"answer": "cat"}\n')
    with pytest.raises(InputError, match=r"Line 1 of .* has no 'question'"):
        list(read_pairs(path))
    path.write_text("3\n")
    with pytest.raises(InputError, match=r"Line 1 of .* is no object"):
        list(read_pairs(path))


def test_real_pairs(shared: Path) -> None:
    pairs = list(islice(read_pairs(shared / "data/text/vqa_v1_questions_answers.jsonl.gz"), 2000))
    assert len(pairs) == 2000
    assert all(pair.question and pair.answer for pair in pairs)
