"""The code on the pages runs, their links lead to files and definitions that exist, and the site is built.

The test run counts the blocks that do not run, and says why.
"""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import ADDRESS, PAGES, ROOT, Block, Reader, blocks, name
from vqa.model.photos import open_photo

TUTORIALS = [page for page in PAGES if page.parent.name == "tutorials"]
# What a test makes smaller than the page does, so that it takes seconds.
SMALLER = {
    "own-data.md": {"--scenes 200 --questions 5": "--scenes 24 --questions 3"},
    "evaluate.md": {
        "--scenes 100": "--scenes 24",
        "--deletion 100": "--deletion 10",
        "--robustness 100": "--robustness 10",
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reader would be: a folder with a photo, and a model that was trained there (here the bundled one)."""
    import skimage

    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "best").symlink_to(ROOT / "assets" / "model")
    (tmp_path / "train").symlink_to(ROOT / "train")
    open_photo(Path(skimage.__file__).parent / "data" / "coffee.png").save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    # float32, as the other tests have it, since accelerate keeps one precision for a whole process
    monkeypatch.setattr("train.fit.precision", lambda name: "no")
    return Reader(monkeypatch)


def read(page: Path, reader: Reader, shown: pytest.CaptureFixture[str], *languages: str, **replaced: str) -> None:
    """Follow a page, and tell what of it was not run."""
    found = blocks(page.read_text(encoding="utf-8"), *languages)
    left = [block for block in found if block.why]
    for block in found:
        if not block.why:
            code = block.code
            for old, new in replaced.items():
                code = code.replace(old, new)
            reader.run(block._replace(code=code), name(page))
    with shown.disabled():
        told = "".join(f"; not run: line {block.line}, {block.why}" for block in left)
        print(f"{name(page)}: {len(found) - len(left)} of {len(found)} blocks run{told}")
    assert len(left) < len(found)


@pytest.mark.parametrize("path", [p for p in PAGES if p not in TUTORIALS and blocks(p.read_text(), "python")], ids=name)
def test_every_block_of_python_runs(
    path: Path, folder: Path, reader: Reader, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """From top to bottom, in one namespace, as a reader would."""
    app = {ADDRESS: request.getfixturevalue("address")} if ADDRESS in path.read_text(encoding="utf-8") else {}
    read(path, reader, capsys, "python", **app)
    if path.name == "README.md":
        shown = capsys.readouterr().out
        assert "Score(answer=" in shown and "'change'" in shown
        assert min(open_photo(folder / "where.png").size) > 100


@pytest.mark.parametrize("path", TUTORIALS, ids=name)
def test_a_tutorial_can_be_followed(
    path: Path, folder: Path, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python and commands together, from top to bottom."""
    smaller = SMALLER.get(path.name, {})
    assert all(text in path.read_text(encoding="utf-8") for text in smaller)
    read(path, reader, capsys, "python", "sh", **smaller)


def test_commands_elsewhere_say_why_they_do_not_run() -> None:
    """Those of the README run in test_readme.py."""
    elsewhere = [path for path in PAGES if path not in TUTORIALS and path.name != "README.md"]
    left = {name(path): blocks(path.read_text(encoding="utf-8"), "sh") for path in elsewhere}
    assert sum(map(len, left.values())) > 1
    assert [(page, block.line) for page, found in left.items() for block in found if not block.why] == []


def test_every_tutorial_is_in_the_menu_and_on_the_first_page() -> None:
    menu, index = ((ROOT / path).read_text(encoding="utf-8") for path in ("mkdocs.yml", "docs/index.md"))
    assert len(TUTORIALS) == 5
    for page in TUTORIALS:
        assert f"tutorials/{page.name}" in menu and f"](tutorials/{page.name})" in index


@pytest.fixture
def address():
    """The app, open on this machine."""
    from tests.ui.conftest import free_port
    from ui.app import open_page
    from ui.models import Models
    from ui.page import build_page

    models = Models(device="cpu")
    models.load()
    page = build_page(models)
    yield open_page(page, "127.0.0.1", free_port())
    page.close(verbose=False)


def test_a_block_that_does_not_run_says_why() -> None:
    page = "one\n```python\na = 1\n```\n\n<!-- not run: needs a login -->\n```python\nb = 2\n```\n```sh\nls\n```\n"
    first, second = Block("python", "a = 1\n", 2, None), Block("python", "b = 2\n", 7, "needs a login")
    assert blocks(page, "python") == [first, second]
    assert blocks(page) == [first, second, Block("sh", "ls\n", 10, None)]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_to_what_exists(path: Path) -> None:
    for link, definition in re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), f"{path.name} links {link}, which does not exist"
        if definition and link.endswith(".py"):
            assert definition in definitions(path.parent / link), f"{path.name} links {link}#{definition}"


def definitions(file: Path) -> set[str]:
    """The names of a file's classes, functions and methods, these as `Class.method`."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found |= {node.name}
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def test_the_lectures_equations_have_their_functions() -> None:
    """The page on recurrent networks links every file that computes one, and a definition with each link to code."""
    text = (ROOT / "docs" / "recurrent.md").read_text(encoding="utf-8")
    links = re.findall(r"\[`([^`]+)`\]\(([^)#\s]+\.py)#([\w.]+)\)", text)
    assert {Path(path).name for _, path, _ in links} >= {
        "recurrent.py",
        "gradients.py",
        "character_model.py",
        "complete.py",
        "search.py",
        "question_encoder.py",
        "attention.py",
        "fusion.py",
        "model.py",
        "captioner.py",
        "objectives.py",
        "repair_model.py",
    }
    assert all(label == definition for label, _, definition in links)
    assert len(links) == text.count(".py#") > 25


def test_the_site_is_built(tmp_path: Path) -> None:
    """In strict mode, where a link that leads nowhere and a docstring that cannot be read are errors."""
    if importlib.util.find_spec("mkdocs") is None and os.environ.get("CI") != "true":
        pytest.skip("needs mkdocs: pip install -e '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {page.relative_to(tmp_path / "site").as_posix() for page in (tmp_path / "site").rglob("*.html")}
    for page in PAGES:
        assert re.sub(r"^docs/|README|CONTRIBUTING|CHANGELOG", moved, name(page)).replace(".md", ".html") in pages
    recurrent = (tmp_path / "site/recurrent.html").read_text(encoding="utf-8")
    link = re.search(r'href="(source/vqa/model/recurrent.py.html)#(L-\d+)"', recurrent)
    assert link and f'id="{link[2]}"' in (tmp_path / "site" / link[1]).read_text(encoding="utf-8")
    asking = (tmp_path / "site/reference/asking.html").read_text(encoding="utf-8")
    assert "vqa.predict.VQA.ask" in asking and "One question about one photo." in asking
    for page in pages:  # a reader's browser fetches nothing from elsewhere
        text = (tmp_path / "site" / page).read_text(encoding="utf-8")
        assert not re.search(
            r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//|<link rel="(?!canonical)[^>]*"https?://', text
        )


def moved(found: re.Match[str]) -> str:
    return {"README": "manual", "CONTRIBUTING": "contributing", "CHANGELOG": "changes"}.get(found[0], "")
