"""The code and commands on the pages run, their links lead to what exists, and the site builds.

The test run reports which blocks are not run, and why.
"""

import contextlib
import importlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.foreign.conftest import vilt
from tests.manual import furnished, furnished_once
from tests.once import once
from tests.pages import PAGES, ROOT, SMALLER, Block, Reader, blocks, commands, name
from tests.ui.conftest import free_port
from vqa import cli
from vqa.data.boxes import read_boxes
from vqa.data.readers import read_examples
from vqa.model.photos import open_photo

__all__ = ["furnished", "furnished_once", "vilt"]  # fixtures
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
RUNNING = [page for page, text in TEXTS.items() if any(block.why is None for block in blocks(text, "python", "sh"))]
ADDRESS = "http://127.0.0.1:7860/"
# Files that a page's commands write.
OUTPUTS = {
    "README.md": ["where-1.png", "runs/mine/best/config.json", "results/report.html", "models/birds/results.json"],
    "docs/guides/training.md": ["runs/short/best/config.json", "runs/complete/best/config.json"],
    "docs/guides/evaluating.md": ["results/report.html", "results-v2/official"],
}


@pytest.mark.parametrize("path", RUNNING, ids=name)
def test_a_page_can_be_followed(path, furnished, monkeypatch, request, capsys):
    """Python and commands together, from top to bottom, as a reader would."""
    replaced = {ADDRESS: request.getfixturevalue("address")} if f'"{ADDRESS}"' in TEXTS[path] else {}
    if "python -m train.export_onnx --output" in TEXTS[path]:  # of runs/mine/best, which was exported before
        exported = request.getfixturevalue("tiny_onnx")
        monkeypatch.setattr("train.export_onnx.export_onnx", lambda model, output: shutil.copytree(exported, output))
    Reader(monkeypatch).follow(path, **replaced)
    assert [file for file in OUTPUTS.get(name(path), []) if not (furnished / file).exists()] == []
    printed = capsys.readouterr().out
    if name(path) == "README.md":
        assert "Score(answer=" in printed and min(open_photo(furnished / "where.png").size) > 100
    assert "'change'" in printed or not replaced


@pytest.fixture
def address():
    """The app, running on this machine."""
    from ui.app import serving
    from ui.models import Models

    models = Models(device="cpu")
    models.load()
    with serving(models, port=free_port()) as front:
        yield front.address


def test_few_blocks_are_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = [(page, b) for page, text in TEXTS.items() for b in blocks(text, "python", "sh") if b.why]
    with capsys.disabled():
        for page, block in skipped:
            print(f"\n{name(page)}:{block.line} is not run: {block.why}", end="")
    assert len(skipped) <= 22
    texts = "\n".join(TEXTS.values())
    assert [old for old in SMALLER if old not in texts] == []


def test_the_readme_is_short() -> None:
    assert len(TEXTS[ROOT / "README.md"].splitlines()) <= 200


def test_a_block_that_is_not_run_has_a_reason() -> None:
    page = "one\n```python\na = 1\n```\n\n<!-- not run: needs a login -->\n```python\nb = 2\n```\n```sh\nls\n```\n"
    found = [Block("python", "a = 1\n", 2, None), Block("python", "b = 2\n", 7, "needs a login")]
    assert blocks(page, "python") == found and blocks(page) == [*found, Block("sh", "ls\n", 10, None)]


def all_commands() -> dict[tuple[str, ...], str]:
    """The commands of all blocks, also of those that are not run, and in running text; with their page."""
    found = {}
    for page, text in TEXTS.items():
        parts = [words for block in blocks(text, "sh") for words in commands(block.code)]
        parts += [shlex.split(code) for code in re.findall(r"`((?:python -m|vqa) [a-z][^`]*)`", text)]
        found |= {tuple(words): name(page) for words in parts}
    return found


@cache
def flags_of(*command: str) -> set[str]:
    """The flags in the help of a `vqa` command or of a module."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [command[-1], "--help"])
        cli.main([command[1], "--help"]) if command[0] == "vqa" else importlib.import_module(command[2]).main()
    assert printed.getvalue(), f"{command} prints no help"
    return set(re.findall(r"--[a-z][a-z_.-]*", printed.getvalue()))


def test_the_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert len(all_commands()) > 50
    for words, page in all_commands().items():
        match words:
            case ["make", *rest]:
                assert {word for word in rest if "=" not in word} <= targets, (page, words)
            case ["pip", "install", *_] | [".", _] | ["cd", *_] | ["hf", "auth", "login"] | ["lmms-eval", *_]:
                pass
            case ["python", "-m", "venv" | "vqa.harnesses.vlmevalkit" | "nltk.downloader" | "http.server", *_]:
                pass  # modules of others
            case ["vqa", _, *rest] | ["python", "-m", _, *rest]:
                flags = {word.split("=")[0] for word in rest if word.startswith("--")}
                assert flags <= flags_of(*words[: 2 if words[0] == "vqa" else 3]), (page, words)
            case _:
                pytest.fail(f"{page} contains {words}, which no test supports")


def test_the_examples_of_data_files_are_read(tmp_path: Path) -> None:
    found = [(page, block) for page, text in TEXTS.items() for block in blocks(text, "json", "csv")]
    assert len(found) >= 4
    for page, block in found:
        path = tmp_path / {"json": "questions.jsonl", "csv": "questions.csv"}[block.language]
        path.write_text(block.code, encoding="utf-8")
        if '"objects"' in block.code:
            assert all(objects.boxes for objects in read_boxes(path).values()), name(page)
            continue
        examples = read_examples(path)
        assert len(examples) == len(block.code.splitlines()) - (block.language == "csv"), name(page)
        assert all(example.image.endswith(".jpg") and (example.answer or example.answers) for example in examples)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_to_what_exists(path: Path) -> None:
    """Files; the definitions in them that a link names are looked up when the site is built."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", TEXTS[path])
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_lectures_equations_have_their_functions() -> None:
    """The page on recurrent networks links a definition in every file that computes an equation."""
    text = TEXTS[ROOT / "docs" / "recurrent.md"]
    links = re.findall(r"\[`([^`]+)`\]\(([^)#\s]+\.py)#([\w.]+)\)", text)
    files = "recurrent gradients character_model complete search question_encoder attention fusion net captioner"
    assert {Path(path).stem for _, path, _ in links} >= {*files.split(), "objectives", "repair_model"}
    assert all(label == definition for label, _, definition in links)
    assert len(links) == text.count(".py#") > 25


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in strict mode: a link that leads nowhere and a docstring that cannot be read are errors."""
    if importlib.util.find_spec("mkdocs") is None and os.environ.get("CI") != "true":
        pytest.skip("needs mkdocs: pip install -e '.[docs]'")

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return once(tmp_path_factory, "site", build)


def test_the_site_has_all_pages_and_its_own_resources(site: Path) -> None:
    pages = {page.relative_to(site).as_posix(): page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    assert {"index.html", "contributing.html", "changes.html"} <= pages.keys()
    for page in (name(page) for page in PAGES if page.parent != ROOT):
        file = page.removeprefix("docs/").removesuffix(".md") + ".html"
        assert file in pages and f'href="{file}"' in pages["index.html"], page  # in the menu of the first
    link = re.search(r'href="(source/vqa/model/recurrent.py.html)#(L-\d+)"', pages["recurrent.html"])
    assert link and f'id="{link[2]}"' in pages[link[1]]
    asking = pages["reference/asking.html"]
    assert "vqa.predict.VQA.ask" in asking and "One question about one photo." in asking
    for text in pages.values():  # a reader's browser loads nothing from other servers
        loaded = r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//|<link rel="(?!canonical)[^>]*"https?://'
        assert not re.search(loaded, text)


def test_the_reference_has_the_help_of_every_command(site: Path) -> None:
    printed = io.StringIO()
    cli.build_parser().print_help(printed)
    for command in re.findall(r"^    ([a-z-]+)(?: |$)", printed.getvalue(), re.MULTILINE):
        assert f"usage: vqa {command}" in (site / "reference/commands.html").read_text(encoding="utf-8"), command
