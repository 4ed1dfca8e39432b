"""Questions to examine units with, from files and from the character model."""

import gzip
import json
from pathlib import Path

import pytest

from vqa.inside.questions import readable_questions
from vqa.model.errors import InputError
from vqa.predict import VQA


@pytest.fixture(scope="module")
def vqa(tiny_checkpoint: Path) -> VQA:
    return VQA.load(tiny_checkpoint, "cpu", "float32")


def test_files_are_read_up_to_a_limit(vqa: VQA, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"question": text}) + "\n" for text in ("Why?", "Why?", "  Who  is it?", "?"))
        file.write("this line is never read")
    assert readable_questions(vqa, tmp_path / "a.jsonl.gz", 2) == (["Why?", "Who is it?"], 0)
    (tmp_path / "a.txt").write_text("Why?\n\n?\nWho?\n")
    assert readable_questions(vqa, tmp_path / "a.txt", 9) == (["Why?", "Who?"], 1)


def test_without_a_file_they_are_generated(vqa: VQA) -> None:
    questions, _ = readable_questions(vqa, None, 20)
    assert len(questions) == 20 and all(vqa.words(text)[0] for text in questions)


@pytest.mark.parametrize("row", ["[]", '{"question": 3}'])
def test_a_line_without_a_question_is_reported(vqa: VQA, tmp_path: Path, row: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{row}\n")
    with pytest.raises(InputError, match=r"Line 1 of .* has no text 'question'"):
        readable_questions(vqa, tmp_path / "a.jsonl", 5)
