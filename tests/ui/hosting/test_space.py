import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from gradio_client import Client, handle_file

from tests.ui.conftest import QUESTION, free_port
from ui.hosting import space
from vqa.model.errors import InputError

# Runs before the Space's app.py: only what its requirements bring may be imported, whatever else is installed here.
SITE = """
import importlib.machinery, sys
hidden = set({hidden!r})
class Path(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else super().find_spec(name, path, target)
sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter, Path]  # no editable ones
"""


@pytest.fixture
def folder(tmp_path, tiny_checkpoint) -> Path:
    return space.assemble(tmp_path / "space", str(tiny_checkpoint))


def closure(names: list[str]) -> set[str]:
    """The names of these distributions and of all that they need, without extras."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = re.split(r"[^\w.-]", todo.pop().strip())[0].lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        with contextlib.suppress(metadata.PackageNotFoundError):
            todo += [line for line in metadata.requires(name) or [] if "extra ==" not in line]
    return found


def test_the_front_matter_is_what_a_space_needs(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == metadata.version("gradio")
    assert (folder / front["app_file"]).is_file()
    assert front["python_version"] == "3.12"
    assert len(front["short_description"]) <= 60  # the Hub's limit
    assert front["suggested_hardware"] == "cpu-basic"
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # those that the Hub takes
    assert {front["colorFrom"], front["colorTo"]} <= colours
    assert front["title"] and front["emoji"] and front["license"] == "apache-2.0"


def test_the_model_is_linked_by_its_hub_id_and_a_path_stays_private(tmp_path, tiny_checkpoint, monkeypatch):
    found = space.assemble(tmp_path / "a", str(tiny_checkpoint)) / "README.md"
    assert str(tiny_checkpoint) not in found.read_text(encoding="utf-8")
    assert "models" not in yaml.safe_load(found.read_text(encoding="utf-8").split("---")[1])
    monkeypatch.setattr(space, "find_checkpoint", lambda model: tiny_checkpoint)  # as if the Hub had given it
    found = space.assemble(tmp_path / "b", "ann/tiny") / "README.md"
    assert yaml.safe_load(found.read_text(encoding="utf-8").split("---")[1])["models"] == ["ann/tiny"]


def test_it_holds_the_code_and_the_model_and_nothing_else(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "app.py", "requirements.txt", ".gitattributes", "vqa", "ui", "assets"}
    assert all((folder / "assets" / name / "model.safetensors").is_file() for name in ("model", *space.BUNDLES))
    assert (folder / "ui" / "static" / "glimpse.js").is_file()
    assert not [path for path in folder.rglob("*") if path.suffix == ".pyc" or path.name == "__pycache__"]


def test_the_requirements_are_the_core(folder):
    lines = (folder / "requirements.txt").read_text().split()
    names = {re.split(r"[^\w-]", line)[0] for line in lines}
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    assert "gradio" in core and "timm" in core
    assert names == core - {"gradio"} | {"scikit-image"}  # gradio comes with sdk_version


def test_only_a_space_is_replaced(folder, tmp_path, tiny_checkpoint):
    (folder / "stale.txt").write_text("old")
    space.assemble(folder, str(tiny_checkpoint))
    assert not (folder / "stale.txt").exists()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    (other / "README.md").write_text("---\nsdk: gradio\napp_file: app.py\n---\n")  # somebody else's Space
    with pytest.raises(InputError, match="holds something else than a Space"):
        space.assemble(other, str(tiny_checkpoint))
    assert (other / "thesis.txt").read_text() == "precious"
    with pytest.raises(InputError, match="There is no model folder"):
        space.assemble(tmp_path / "new", "./none")
    assert not (tmp_path / "new").exists()


def test_a_space_that_was_pushed_keeps_its_history(folder, tiny_checkpoint):
    git = folder / ".git"
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main")
    space.assemble(folder, str(tiny_checkpoint))
    assert (git / "HEAD").read_text() == "ref: refs/heads/main"


def test_a_model_that_was_cloned_brings_no_history(tmp_path, tiny_checkpoint):
    clone = shutil.copytree(tiny_checkpoint, tmp_path / "clone")
    (clone / ".git").mkdir()
    model = space.assemble(tmp_path / "space", str(clone)) / "assets" / "model"
    assert {path.name for path in model.iterdir()} == {path.name for path in tiny_checkpoint.iterdir()}


def test_a_place_that_cannot_be_taken_is_told_in_a_sentence(tmp_path, tiny_checkpoint, monkeypatch, capsys):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (tmp_path / "file").write_text("")
    for output, reason in (
        (".", "contains the current"),
        (tiny_checkpoint / "x", "to be copied"),
        ("../file/x", "cannot be"),
    ):
        monkeypatch.setattr(sys, "argv", ["space", "--output", str(output), "--model", str(tiny_checkpoint)])
        assert space.main() == 2
        assert reason in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "here"]


def test_it_starts_from_its_folder_alone(folder, photo, vqa, tmp_path):
    allowed_names = closure([*(folder / "requirements.txt").read_text().splitlines(), "gradio"])
    owners = metadata.packages_distributions()
    normal = {name: {owner.lower().replace("_", "-") for owner in who} for name, who in owners.items()}
    allowed = {name for name, who in normal.items() if who & allowed_names}
    assert "torch" in allowed and "jsonargparse" not in allowed and "pytest" not in allowed
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE.format(hidden=set(normal) - allowed - {"vqa", "ui"}))
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    environment = kept | {"PYTHONPATH": str(site), "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    check = "import runpy, ui, vqa; print(ui.__file__, vqa.__file__, flush=True); runpy.run_path('app.py')"
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-c", check],
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 120
        client = None
        while client is None and time.monotonic() < end and process.poll() is None:
            try:
                client = Client(f"http://127.0.0.1:{port}/", verbose=False, analytics_enabled=False)
            except Exception:
                time.sleep(0.5)
        assert client is not None, (tmp_path / "log").read_text()
        found = client.predict(handle_file(photo), QUESTION, api_name="/ask")
        assert found["answer"] == vqa.ask(photo, QUESTION).text
    except Exception as error:
        raise AssertionError((tmp_path / "log").read_text()) from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        log.close()
    first = (tmp_path / "log").read_text().splitlines()[0]
    assert first == f"{folder / 'ui' / '__init__.py'} {folder / 'vqa' / '__init__.py'}"
