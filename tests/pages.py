"""The code blocks of the README and of docs/, and how a reader would run them.

A block that cannot run carries a line before its fence that says why, such as `<!-- not run: needs a GPU -->`.
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
PAGES = tuple(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))
PAGES = (*PAGES, *sorted((ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:7860/"


class Block(NamedTuple):
    """Code of a page, the line before it, and why it does not run, if so."""

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
    """The commands of a shell block, cut into words; continued lines are one, comments are left out."""
    lines = code.replace("\\\n", "").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


class Reader:
    """Somebody who follows a page from top to bottom in one folder, with one Python session."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.namespace: dict = {}
        self.monkeypatch = monkeypatch

    def run(self, block: Block, page: str) -> None:
        if block.language == "python":
            # a traceback names the page's own line
            exec(compile("\n" * block.line + block.code, page, "exec"), self.namespace)
        else:
            for words in commands(block.code):
                self.command(words)

    def command(self, words: list[str]) -> None:
        """In this process, which has loaded torch already. An installation is only checked against pyproject.toml."""
        match words:
            case ["vqa", "ui", *_]:
                self.monkeypatch.setattr("gradio.Blocks.block_thread", lambda page: None)  # as if Ctrl-C came at once
                assert cli.main([*words[1:], "--port", str(free_port())]) == 0, words
            case ["vqa", *arguments]:
                assert cli.main(arguments) == 0, words
            case ["python", "-m", module, *arguments]:
                self.monkeypatch.setattr("sys.argv", [module, *arguments])
                assert importlib.import_module(module).main() == 0, words
            case ["cd", folder]:
                os.chdir(folder)  # the fixture's monkeypatch leads back at the end
            case ["pip", "install", "-e", what]:
                assert set(re.findall(r"\w+", what)) <= extras(), words
            case _:
                pytest.fail(f"a page runs {words}, which no test knows; let the block say why it is not run")


def extras() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])
