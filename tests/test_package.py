"""The wheel: what is in it, and that it answers from any folder without the repository."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vqa.model.photos import SUFFIXES

ROOT = Path(__file__).resolve().parents[1]
MODEL = Path("assets", "model")
BUNDLED = (MODEL, Path("assets", "complete"), Path("assets", "caption"), Path("assets", "repair"))
MAX_MODEL_BYTES = 31_000_000


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    settings = {"env": os.environ | environment, "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run(command, cwd=cwd, **settings)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    assert "vqa.cli" not in command or done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project without what git ignores, so that building leaves nothing in the project."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    copy = tmp_path_factory.mktemp("package") / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", *ignored))
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Path:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", cwd=tree)
    (built,) = (tree / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's packages and nothing else; what it needs comes from this environment."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, "--target", target, wheel, cwd=target)
    return target


def test_the_wheel_holds_the_packages_and_the_model_and_nothing_else(wheel: Path, tree: Path) -> None:
    files = [p.relative_to(tree) for folder in ("vqa", "ui", "train", *BUNDLED) for p in (tree / folder).rglob("*")]
    expected = {Path("vqa", f) if f.parent in BUNDLED else f for f in files if (tree / f).is_file()}
    with zipfile.ZipFile(wheel) as archive:
        sizes = {Path(member.filename): member.file_size for member in archive.infolist() if not member.is_dir()}
    found = set(sizes)
    facts = {path for path in found if path.parts[0].endswith(".dist-info")}
    assert found - facts == expected
    assert {"LICENSE", "METADATA", "entry_points.txt"} <= {path.name for path in facts}
    assert Path("vqa/schemas/answer.json") in found
    assert {Path(f"{name}/__init__.py") for name in ("vqa", "ui", "train")} <= expected
    pictures = {path for path in found if path.suffix.lower() in SUFFIXES}  # photos are their owners', these are ours
    free = ("astronaut", "blue-and-yellow", "chelsea", "coffee", "red-circle", "rocket")  # see SOURCES.md beside them
    assert pictures == {Path("ui/static/icon-512.png"), *(Path(f"ui/static/examples/{name}.webp") for name in free)}
    assert sum(size for path, size in sizes.items() if path.parent == Path("vqa") / MODEL) <= MAX_MODEL_BYTES


def test_the_metadata_are_the_project_s(wheel: Path, installed: Path) -> None:
    (distribution,) = metadata.distributions(path=[str(installed)])
    assert distribution.metadata["License-Expression"] == "Apache-2.0"
    assert distribution.read_text("licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    assert {(entry.group, entry.name, entry.value) for entry in distribution.entry_points} == {
        ("console_scripts", "vqa", "vqa.cli:main"),
        ("lmms_eval.models", "glimpse", "vqa.harnesses:lmms_eval_models"),
    }


def test_it_answers_from_another_folder(installed: Path, tmp_path: Path) -> None:
    # -P: the folder that Python starts in is not searched. PYTHONPATH comes before this environment, where an
    # editable install may name the repository.
    python = (sys.executable, "-P")
    where = "import vqa, ui, train; print(*(package.__file__ for package in (vqa, ui, train)), sep='\\n')"
    homes = run(*python, "-c", where, cwd=tmp_path, PYTHONPATH=str(installed)).splitlines()
    assert homes == [str(installed / name / "__init__.py") for name in ("vqa", "ui", "train")]
    pixels = np.full((240, 320, 3), (90, 140, 220), np.uint8)
    pixels[60:180, 100:220] = (200, 30, 30)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    ask = ("-m", "vqa.cli", "ask", "photo.png", "what color is the square?", "--json")
    said = json.loads(run(*python, *ask, cwd=tmp_path, PYTHONPATH=str(installed)))
    assert said["answer"] and 0 < said["confidence"] <= 1 and said["model"] == "bundled"
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
