import gzip
import json
from pathlib import Path

import pytest

from train.find_cells import main
from train.texts import some_questions
from vqa.model.errors import InputError
from vqa.predict import VQA

TEXTS = [f"what color is the {noun} on the {place}?" for noun in ("cat", "red cat", "table") for place in "abcdef"]


@pytest.fixture(scope="module")
def vqa(tiny_checkpoint: Path) -> VQA:
    return VQA.load(tiny_checkpoint, "cpu", "float32")


def test_both_models_are_searched(tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "questions.txt").write_text("\n".join([*TEXTS, "", "a" * 301]), encoding="utf-8")
    flags = ["--questions", str(tmp_path / "questions.txt"), "--model", str(tiny_checkpoint)]
    assert main([*flags, "--output", str(tmp_path / "out/new"), "--top", "2"]) == 0
    told = json.loads((tmp_path / "out/new/cells.json").read_text())
    words = told["question encoder"]
    assert (words["texts"], words["steps"]) == (18, 18 * 8 + 6)
    assert [row["feature"] for row in words["units"][:2]] == ["colour word"] * 2
    assert told["character model"]["texts"] == 18
    shown = capsys.readouterr().out
    assert "Nowhere different in these questions: number word" in shown
    assert "1 questions could not be read and were left out." in shown


def test_any_file_of_questions_is_read_up_to_a_limit(vqa: VQA, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"question": text}) + "\n" for text in ("Why?", "Why?", "  Who  is it?", "?"))
        file.write("this line is never read")
    assert some_questions(vqa, tmp_path / "a.jsonl.gz", 2) == (["Why?", "Who is it?"], 0)
    (tmp_path / "a.txt").write_text("Why?\n\n?\nWho?\n")
    assert some_questions(vqa, tmp_path / "a.txt", 9) == (["Why?", "Who?"], 1)


@pytest.mark.parametrize(("name", "content", "told"), [
    ("none.txt", None, "cannot be read"),
    ("empty.txt", "", "There are 0 different texts"),
    ("a.jsonl", '{"question": 3}', "Line 1 of"),
])  # fmt: skip
def test_what_cannot_be_is_told(
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str | None,
    told: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert main(["--questions", str(tmp_path / name), "--model", str(tiny_checkpoint)]) == 2
    assert told in capsys.readouterr().err


def test_a_line_without_a_question_is_told(vqa: VQA, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("[]\n")
    with pytest.raises(InputError, match="has no text 'question'"):
        some_questions(vqa, tmp_path / "a.jsonl", 5)
