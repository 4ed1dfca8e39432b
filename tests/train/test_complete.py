"""Training the character model: it learns, resumes to the same weights, and says what is wrong with a text."""

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.train.killed import assert_resumes
from tests.train.refused import refused
from train import complete
from train.complete import main, read_questions
from vqa.language.complete import Completer

SMALL = ["--layers", "1", "--hidden", "24", "--embedding", "8", "--streams", "4", "--chunk", "20"]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [{"question": ("Is it red?", "What is it?")[i % 2], "image_id": i} for i in range(400)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_hello_is_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The classic: four letters, and after each the right one."""
    (tmp_path / "hello.txt").write_text("hello" * 40)
    flags = ["--text", str(tmp_path / "hello.txt"), "--output", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*flags, *SMALL, "--epochs", "20", "--rate", "0.02"]) == 0
    assert Completer.load(tmp_path / "run/best").sample("h", temperature=0, most=4) == "hello"
    assert "bits per character" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["image_id", "image", "question_id"])
def test_a_photos_questions_stay_together_whatever_names_it(tmp_path: Path, key: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps({"question": f"is it {i}?", key: f"{i // 4}.png"}) + "\n" for i in range(2000)))
    learned, held = read_questions(path)
    assert len(learned) + len(held) == 2000 and 20 <= len(held) <= 100
    if key != "question_id":
        photos = [{int(re.findall(r"\d+", question)[0]) // 4 for question in part} for part in (learned, held)]
        assert not photos[0] & photos[1]


def test_questions_are_learned_and_completed(questions: Path, tmp_path: Path) -> None:
    flags = ["--questions", str(questions), "--output", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*flags, *SMALL, "--epochs", "8", "--rate", "0.02"]) == 0
    model = Completer.load(tmp_path / "run/best")
    assert model.complete("w")[0].text == "what is it?"
    assert {c.text for c in model.complete("", top=2)} == {"is it red?", "what is it?"}
    results = json.loads((tmp_path / "run/best/results.json").read_text())
    assert results["bits_per_character"] < 0.5 and results["held_out"] > 50
    assert "bits per character" in (tmp_path / "run/best/README.md").read_text()


def test_a_killed_run_resumes_to_the_same_weights(questions: Path, tmp_path: Path) -> None:
    flags = ["--questions", str(questions), "--device", "cpu", *SMALL, "--epochs", "1.5", "--output"]
    assert_resumes(main, flags, tmp_path)
    assert "other settings of 'rate'" in refused(main, *flags, tmp_path / "killed", "--resume", "--rate", "0.1")


@pytest.mark.parametrize(
    ("flag", "content", "message"),
    [
        ("--text", gzip.compress(b"hello" * 99, mtime=0)[:-9], "cannot be unpacked"),
        ("--text", b"", "fewer than two characters"),
        ("--text", b"a", "fewer than two characters"),
        ("--text", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("--text", None, "cannot be read"),
        ("--questions", b'{"question": 3}\n', "Line 1 of"),
        ("--questions", b'{"question": "why?"}\n', "too few questions"),
    ],
)
def test_an_unusable_file_is_reported(tmp_path: Path, flag: str, content: bytes | None, message: str) -> None:
    path = tmp_path / ("text.gz" if content and content.startswith(b"\x1f\x8b") else "text")
    if content is not None:
        path.write_bytes(content)
    assert message in refused(main, flag, path, "--output", tmp_path / "run")


def test_a_text_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete, "BLOCK", 7)
    (tmp_path / "text.txt").write_text("räuber " * 1000, encoding="utf-8")
    characters, ids, held = complete.text(tmp_path / "text.txt", tmp_path)
    assert characters.decode(ids[:14]) == "räuber räuber " and len(ids) + len(held) == 7000 and len(held) == 140
    monkeypatch.setattr(complete, "MOST_HELD", 50)  # of a large text a fiftieth would take hours to measure
    _, ids, held = complete.text(tmp_path / "text.txt", tmp_path)
    assert (len(ids), len(held)) == (6950, 50)
