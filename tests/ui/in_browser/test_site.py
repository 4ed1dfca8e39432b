"""The folder of the page: complete, in hashed parts, and never written over something else."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.data.refusal import refusal
from train.exporting.page import captioner
from ui.browser import runtime, site

WEIGHTS = np.random.default_rng(0).bytes(9_000_000)
PAGE = ({"answers": b'["yes"]', "question": WEIGHTS}, {"name": "tiny", "tensors": {}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    for name in runtime.SHA256:
        (place / name).write_bytes(b"a runtime")
    return site.assemble(place / "page", place, PAGE, "birds")


def test_every_script_and_file_that_the_page_names_is_there(folder: Path) -> None:
    scripts = [path for path in folder.rglob("*.js") if path.name != site.MARK]
    assert {"api", "browser", "stage", "static", "thread"} == {path.parent.name for path in scripts}
    for script in scripts:
        for name in re.findall(r'(?:from |import |import\()"(\.[^"]+)"', script.read_text(encoding="utf-8")):
            assert (script.parent / name).resolve().is_file(), f"{script.name} imports {name}"
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "unsafe-inline" not in page and "unsafe-eval" not in page.replace("wasm-unsafe-eval", "")
    assert [name for name in re.findall(r'(?:href|src)="([^"]+)"', page) if not (folder / name).is_file()] == []
    worker = (folder / site.MARK).read_text(encoding="utf-8")
    stored = json.loads(re.search(r"FILES = (\{.*?\})", worker)[1])  # type: ignore[index]
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == one for name, one in stored.items())
    assert [name for name in stored if not (folder / name).is_file()] == []
    assert {path.relative_to(folder).as_posix() for path in scripts} | {"model/model.json", "page.json"} <= {*stored}
    assert "sdk: static" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_parts_are_the_file(folder: Path) -> None:
    files = json.loads((folder / "model" / "model.json").read_text(encoding="utf-8"))["files"]
    for name, content in PAGE[0].items():
        read = []
        for part in files[name]["parts"]:
            stored = (folder / "model" / part["path"]).read_bytes()
            assert len(stored) == part["bytes"]
            assert hashlib.sha256(stored).hexdigest() == part["sha256"] and part["sha256"][:12] in part["path"]
            read.append(gzip.decompress(stored) if files[name]["compressed"] else stored)
            assert len(read[-1]) <= site.PART
        assert b"".join(read) == content
    assert len(files["question"]["parts"]) == 3


def test_another_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    assert "holds something else" in refusal(site.check_output, tmp_path)
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_a_runtime_that_is_missing_or_another_one_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert "run again with --fetch" in refusal(runtime.locate)
    for name in runtime.SHA256:
        (tmp_path / name).write_bytes(b"another version")
    assert "is not that of onnxruntime-web" in refusal(runtime.locate, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "npm is not installed" in refusal(runtime.locate, fetch=True)


def test_without_the_weights_no_captioner_is_known_to_fit(tiny_onnx: Path, tmp_path: Path, capsys) -> None:
    assert captioner(tiny_onnx, (2, 2), {}, tmp_path) is None
    assert "model.safetensors is missing" in capsys.readouterr().out
