"""The Python on the pages runs, and their links to lines of code lead to what they quote.

A block that cannot run carries a line before its fence that says why, such as `<!-- not run: needs a GPU -->`; the test
run counts and names these.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from train.links import LINK, pointed
from vqa.data.photos import open_photo
from vqa.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"(?:^<!-- not run: (.+) -->\n)?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:7860/"


class Block(NamedTuple):
    """Code of a page, the line before it, and why it does not run, if so."""

    code: str
    line: int
    why: str | None


def blocks(text: str) -> list[Block]:
    return [Block(found[2], text.count("\n", 0, found.start(2)), found[1]) for found in BLOCK.finditer(text)]


FOUND = {page.name: blocks(page.read_text(encoding="utf-8")) for page in PAGES}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reader would be: a folder with a photo, and a model that was trained there (here the bundled one)."""
    import skimage

    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "best").symlink_to(ROOT / "assets" / "model")
    open_photo(Path(skimage.__file__).parent / "data" / "coffee.png").save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [name for name, found in FOUND.items() if found])
def test_every_block_runs(
    name: str, folder: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """From top to bottom, in one namespace, as a reader would."""
    namespace: dict = {}
    left = [block for block in FOUND[name] if block.why]
    for code, line, why in FOUND[name]:
        if why:
            continue
        if ADDRESS in code:
            code = code.replace(ADDRESS, request.getfixturevalue("address"))
        exec(compile("\n" * line + code, name, "exec"), namespace)  # a traceback names the page's own line
    with capsys.disabled():
        told = "".join(f"; not run: line {block.line}, {block.why}" for block in left)
        print(f"{name}: {len(FOUND[name]) - len(left)} of {len(FOUND[name])} blocks run{told}")
    assert len(left) < len(FOUND[name])
    if name == "README.md":
        shown = capsys.readouterr().out
        assert "Score(answer=" in shown and "'change'" in shown
        assert min(open_photo(folder / "where.png").size) > 100


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
    assert blocks(page) == [Block("a = 1\n", 2, None), Block("b = 2\n", 7, "needs a login")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_the_lines_that_they_quote(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert pointed(text, page.parent) == text, "run make links"
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]+)(#[^)]*)?\)", text):
        assert (page.parent / path).exists(), f"{page.name} links {path}{anchor}, which is not there"


def test_the_lectures_equations_have_their_lines() -> None:
    """The page on recurrent networks links every file that computes one, and quotes a line with each link to code."""
    text = (ROOT / "docs" / "recurrent.md").read_text(encoding="utf-8")
    files = {Path(path).name for _, path, _ in LINK.findall(text)}
    assert files >= {
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
    assert len(LINK.findall(text)) == text.count(".py#L") > 30


def test_links_move_with_the_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = x + 1\nz = y\n")
    assert pointed("see [`y = x + 1`](a.py#L7).", tmp_path) == "see [`y = x + 1`](a.py#L2)."
    assert pointed("[`y = x`](a.py#L1)", tmp_path) == "[`y = x`](a.py#L2)"  # a part of a line
    for link, told in (
        ("[`q`](a.py#L1)", "has 0 lines 'q'"),
        ("[`=`](a.py#L1)", "has 3 lines"),
        ("[`z`](b.py#L1)", "no file b.py"),
    ):
        with pytest.raises(InputError, match=told):
            pointed(link, tmp_path)
