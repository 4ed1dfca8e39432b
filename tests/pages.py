"""The code blocks of the README and of docs/, and a reader who runs them.

A block that cannot run is preceded by a comment with the reason, such as `<!-- not run: needs a GPU -->`.
"""

import importlib
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ui.conftest import free_port
from vqa import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Replaced in all pages, so that a test takes seconds.
SMALLER = {
    "--metric wups": "",  # has a test of its own, and WordNet takes seconds
    "--scenes 10000": "--scenes 24",
    "--scenes 250 --questions 4": "--scenes 24 --questions 3",
    "--scenes 100 ": "--scenes 24 ",
    "--deletion 100": "--deletion 4",
    "--deletion 500": "--deletion 4",
    "--robustness 100": "--robustness 4",
    "--robustness 500": "--robustness 4",
    "vqa train questions.csv": "vqa train questions.csv --epochs 1 --minutes 1",
    "vqa train shapes/questions.jsonl": "vqa train shapes/questions.jsonl --epochs 1 --minutes 1",
    "--config mine.yaml": "--config mine.yaml --optim.epochs 1 --optim.head_epochs 1",
    "configs/vqa_v2.yaml": "configs/vqa_v2.yaml --model.hidden_size 64 --model.fusion_size 64",
    "--features features/mine --processes 2": "--features features/mine",  # processes have tests of their own
    "--repairer runs/repair/best ": "",  # the bundled one: after a second of training it writes no questions
    "--optim.epochs 5": "--optim.epochs 1",
    "--optim.epochs 2 --optim.head_epochs 2": "--optim.epochs 1 --optim.head_epochs 1",
    "train.caption --captions": "train.caption --epochs 2 --captions",
    "train.complete --text": "train.complete --epochs 0.2 --text",
    "train.complete --table": "train.complete --epochs 0.02 --table",
    "train.gradient_flow": "train.gradient_flow --steps 6 --model runs/mine/best --questions questions.txt",
    "train.complete --questions": "train.complete --epochs 0.5 --questions",
    "--engine ray --workers 8 --parquet answers": "--csv many.csv",  # Ray takes half a minute to start: has a test
    "train.repair --questions": "train.repair --epochs 0.3 --questions",
    "train.find_cells --questions": "train.find_cells --limit 60 --questions",
    "train.export_onnx --output": "train.export_onnx --model runs/mine/best --output",
}


class Block(NamedTuple):
    """Code of a page, the number of the line before it, and why it is not run (None if it is)."""

    language: str
    code: str
    line: int
    why: str | None


def blocks(text: str, *languages: str) -> list[Block]:
    """The blocks of a page in these languages; without any, all."""
    found = [Block(match[2], match[3], text.count("\n", 0, match.start(3)), match[1]) for match in BLOCK.finditer(text)]
    return [block for block in found if not languages or block.language in languages]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(code: str) -> list[list[str]]:
    """The commands of a shell block as words, without comments; continued lines are joined."""
    lines = code.replace("\\\n", "").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


class Reader:
    """Somebody who follows pages from top to bottom in one folder, with one Python session."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.namespace: dict = {}
        self.monkeypatch = monkeypatch
        monkeypatch.setattr("train.fitting.loop.precision", lambda *_: "no")  # accelerate allows one per process
        for name, value in (("FOLDS", 2), ("CURVE", ()), ("COPIES", 1)):  # these have tests of their own
            monkeypatch.setattr(f"train.own.trials.{name}", value)
        monkeypatch.setattr("ui.app.open_window", lambda address: True)
        monkeypatch.setattr("train.caption_scores.score_captions", lambda *_: {})  # needs Java; has tests of its own

    def follow(self, page: Path, **replaced: str) -> None:
        """Run the page's Python and commands; its YAML is the file mine.yaml."""
        text = page.read_text(encoding="utf-8")
        for old, new in (SMALLER | replaced).items():
            text = text.replace(old, new)
        for block in blocks(text, "yaml"):
            Path("mine.yaml").write_text(block.code, encoding="utf-8")
        for block in blocks(text, "python", "sh"):
            if block.why is None and block.language == "python":
                # a traceback names the page's own line
                exec(compile("\n" * block.line + block.code, name(page), "exec"), self.namespace)
            elif block.why is None:
                for words in commands(block.code):
                    self.run(words)

    def run(self, words: list[str]) -> None:
        """Run a command in this process, which has imported torch; an installation is only compared with the extras."""
        match words:
            case ["vqa", "ui", *_]:
                self.monkeypatch.setattr("ui.hosting.front.Front.wait", lambda front: None)  # as if Ctrl-C came at once
                assert cli.main([*words[1:], "--port", str(free_port())]) == 0, words
            case ["vqa", *arguments]:
                assert cli.main(arguments) == 0, words
            case ["python", "-m", module, *arguments]:
                self.monkeypatch.setattr("sys.argv", [module, *arguments])
                assert importlib.import_module(module).main() == 0, words
            case ["cd", folder]:
                os.chdir(folder)  # undone by the fixture's monkeypatch
            case ["pip", "install", "-e", what]:
                project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
                assert set(re.findall(r"\w+", what)) <= project["optional-dependencies"].keys(), words
            case _:
                pytest.fail(f"a page runs {words}, which no test supports; state before the block why it is not run")
