"""The page's scripts: their size, and their own tests, which run in node."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(ROOT.glob("ui/**/*.js"))
MAX_LINES, MAX_ALL, MAX_BROWSER = 300, 1500, 1000  # of one, of all of the app, of all of the page without a server


def test_the_scripts_are_few_and_short():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SCRIPTS}
    assert {path.name: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}
    browser = sum(lines for path, lines in lengths.items() if path.parent.name == "browser")
    assert browser <= MAX_BROWSER and sum(lengths.values()) - browser <= MAX_ALL


def test_no_script_writes_html():
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
    assert [path.name for path in SCRIPTS if any(word in path.read_text(encoding="utf-8") for word in forbidden)] == []


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_what_they_compute():
    tests = map(str, sorted(ROOT.glob("tests/ui/**/*.test.js")))
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
