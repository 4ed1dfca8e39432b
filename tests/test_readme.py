"""What the README and the other pages say is tried: the commands exist and run, the examples of files are read.

Their Python runs in test_docs.py.
"""

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from tests import pages
from tests.foreign.conftest import vilt
from tests.manual import furnished
from tests.pages import ROOT, Reader
from train.fitting.settings import Settings, parse
from vqa.data.readers import read_examples

__all__ = ["furnished", "vilt"]  # fixtures
# What a test makes smaller than the README does.
SMALLER = {
    "--repairer runs/repair/best ": "",  # the bundled one; what has learned for a second writes no questions
    "--scenes 10000": "--scenes 24",
    "train.export_onnx --output": "train.export_onnx --model small --output",  # a minute less
}


def commands() -> list[list[str]]:
    """The commands of all shell blocks, those too that a test does not run."""
    found = (pages.blocks(page.read_text(encoding="utf-8"), "sh") for page in pages.PAGES)
    return [words for blocks in found for block in blocks for words in pages.commands(block.code)]


def flags_of(words: list[str]) -> set[str]:
    """The flags that the command of `words` knows: `vqa ask …` or `python -m train.fit …`."""
    if words[0] == "vqa":
        command = (sys.executable, "-m", "vqa.cli", words[1], "--help")
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return set(re.findall(r"--[a-z][a-z-]*", told))
    if words[2] == "train.fit":
        groups = {setting.name: setting.type for setting in fields(Settings)}
        inner = {f"{a}.{b.name}" for a, kind in groups.items() if is_dataclass(kind) for b in fields(kind)}
        return {f"--{name}" for name in {"config", *groups, *inner}}
    source = (ROOT / words[2].replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert '__name__ == "__main__"' in source, words
    return set(re.findall(r'"(--[a-z][a-z-]*)"', source))  # its help would import torch, which takes long


def test_the_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert len(commands()) > 10
    for words in commands():
        match words:
            case ["make", *rest]:
                assert {word for word in rest if "=" not in word} <= targets, words
            case ["pip", "install", *_] | [".", _] | ["python", "-m", "venv", _]:
                pass
            case ["cd", *_] | ["hf", "auth", "login"]:
                pass
            case ["lmms-eval", *_] | ["python", "-m", "vqa.harnesses.vlmevalkit", *_]:
                pass  # commands of others
            case ["vqa", _, *rest] | ["python", "-m", _, *rest]:
                flags = {word.split("=")[0] for word in rest if word.startswith("--")}
                assert flags <= flags_of(words), words
            case _:
                pytest.fail(f"the pages name {words}, which no test knows")


@pytest.mark.parametrize(("language", "suffix"), [("json", "jsonl"), ("csv", "csv")])
def test_the_examples_of_own_questions_are_read(tmp_path: Path, language: str, suffix: str) -> None:
    (block,) = pages.blocks((ROOT / "README.md").read_text(encoding="utf-8"), language)
    path = tmp_path / f"questions.{suffix}"
    path.write_text(block.code, encoding="utf-8")
    examples = read_examples(path)
    assert len(examples) == len(block.code.splitlines()) - (language == "csv")
    assert (examples[0].image, examples[0].question, examples[0].answer) == (
        "kitchen.jpg",
        "what is on the table?",
        "teapot",
    )


def test_the_example_of_settings_is_read(tmp_path: Path) -> None:
    (block,) = pages.blocks((ROOT / "README.md").read_text(encoding="utf-8"), "yaml")
    path = tmp_path / "mine.yaml"
    path.write_text(block.code, encoding="utf-8")
    settings = parse(["--config", str(path), "--optim.epochs", "5", "--output", "runs/short"])
    assert settings.data.train == ["questions_train.jsonl"] and settings.data.features == "features/mine"
    assert (settings.optim.epochs, settings.output) == (5, "runs/short")


def test_the_commands_of_the_readme_run(
    furnished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From top to bottom, in a folder that has what the README speaks of; what does not run is counted and told."""
    monkeypatch.setattr("train.fit.precision", lambda name: "no")  # as in the other tests
    monkeypatch.setattr("ui.app.open_window", lambda address: True)
    monkeypatch.setattr("train.caption_scores.score_captions", lambda *_: {})  # by Java; has tests of its own
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (settings,) = pages.blocks(text, "yaml")
    (furnished / "mine.yaml").write_text(settings.code, encoding="utf-8")
    for old, new in SMALLER.items():
        assert old in text
        text = text.replace(old, new)
    found, reader = pages.blocks(text, "sh"), Reader(monkeypatch)
    left = [block for block in found if block.why]
    for block in found:
        if not block.why:
            reader.run(block, "README.md")
    for made in ("where-1.png", "runs/short/best/config.json", "runs/complete/best/config.json", "results/report.html"):
        assert (furnished / made).is_file(), made
    with capsys.disabled():
        told = "".join(f"; not run: line {block.line}, {block.why}" for block in left)
        print(f"README.md: {len(found) - len(left)} of {len(found)} blocks of commands run{told}")
    assert len(left) <= 7
