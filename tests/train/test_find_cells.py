import json
from pathlib import Path

import pytest

from tests.train.refused import refused
from train.find_cells import main

TEXTS = [f"what color is the {noun} on the {place}?" for noun in ("cat", "red cat", "table") for place in "abcdef"]


def test_both_models_are_searched(tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "questions.txt").write_text("\n".join([*TEXTS, "", "a" * 301]), encoding="utf-8")
    flags = ["--questions", str(tmp_path / "questions.txt"), "--model", str(tiny_checkpoint)]
    assert main([*flags, "--output", str(tmp_path / "out/new"), "--top", "2"]) == 0
    report = json.loads((tmp_path / "out/new/cells.json").read_text())
    words = report["question encoder"]
    assert (words["texts"], words["steps"]) == (18, 18 * 8 + 6)
    assert [row["feature"] for row in words["units"][:2]] == ["colour word"] * 2
    assert report["character model"]["texts"] == 18
    printed = capsys.readouterr().out
    assert "The same at all steps of these questions: number word" in printed
    assert "1 questions could not be read and were left out." in printed


@pytest.mark.parametrize(("content", "sentence"), [(None, "cannot be read"), ("", "There are 0 different texts")])
def test_unusable_questions(tiny_checkpoint: Path, tmp_path: Path, content: str | None, sentence: str) -> None:
    path = tmp_path / "questions.txt"
    if content is not None:
        path.write_text(content)
    assert sentence in refused(main, "--questions", path, "--model", tiny_checkpoint)
