"""Questions to examine units with, from files and from the character model."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from vqa.inside.questions import readable_questions
from vqa.model.errors import InputError
from vqa.predict import VQA


def test_files_are_read_up_to_a_limit_or_they_are_generated(tiny_checkpoint: Path, tmp_path: Path) -> None:
    vqa: Any = VQA.load(tiny_checkpoint, "cpu", "float32")
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"question": text}) + "\n" for text in ("Why?", "Why?", "  Who  is it?", "?"))
        file.write("this line is never read")
    assert readable_questions(vqa, tmp_path / "a.jsonl.gz", 2) == (["Why?", "Who is it?"], 0)
    (tmp_path / "a.txt").write_text("Why?\n\n?\nWho?\n")
    assert readable_questions(vqa, tmp_path / "a.txt", 9) == (["Why?", "Who?"], 1)
    for row in ("[]", '{"question": 3}'):
        (tmp_path / "a.jsonl").write_text(f"{row}\n")
        with pytest.raises(InputError, match=r"Line 1 of .* has no text 'question'"):
            readable_questions(vqa, tmp_path / "a.jsonl", 5)
    questions, _ = readable_questions(vqa, None, 20)
    assert len(questions) == 20 and all(vqa.words(text)[0] for text in questions)
