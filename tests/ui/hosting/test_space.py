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

from tests.data.refusal import refusal
from tests.ui.conftest import QUESTION, free_port
from ui.hosting import space

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_checkpoint) -> Path:
    return space.assemble(tmp_path_factory.mktemp("space") / "space", str(tiny_checkpoint))


def front_matter(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1])


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
    front = front_matter(folder)
    assert (front["sdk"], front["sdk_version"]) == ("gradio", metadata.version("gradio"))
    assert (folder / front["app_file"]).is_file()
    assert (front["python_version"], front["suggested_hardware"]) == ("3.12", "cpu-basic")
    assert len(front["short_description"]) <= 60  # the Hub's limit
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # those that the Hub takes
    assert {front["colorFrom"], front["colorTo"]} <= colours
    assert front["title"] and front["emoji"] and front["license"] == "apache-2.0"


def test_the_model_is_linked_by_its_hub_id_and_a_path_stays_private(folder, tmp_path, tiny_checkpoint, monkeypatch):
    assert str(tiny_checkpoint) not in (folder / "README.md").read_text(encoding="utf-8")
    assert "models" not in front_matter(folder)
    monkeypatch.setattr(space, "find_checkpoint", lambda model: tiny_checkpoint)  # as if the Hub had given it
    front = front_matter(space.assemble(tmp_path / "space", "ann/tiny", title := 'yes: "no" # né'))
    assert (front["models"], front["title"]) == (["ann/tiny"], title)


def test_it_holds_the_code_and_the_model_and_nothing_else(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "app.py", "requirements.txt", ".gitattributes", "vqa", "ui", "assets"}
    assert all((folder / "assets" / name / "model.safetensors").is_file() for name in ("model", *space.BUNDLES))
    assert (folder / "ui" / "static" / "main.js").is_file()
    assert not [path for path in folder.rglob("*") if path.suffix == ".pyc" or path.name == "__pycache__"]


def test_the_requirements_are_the_core(folder):
    first, *lines = (folder / "requirements.txt").read_text().splitlines()
    assert first.startswith("--extra-index-url ") and first.endswith("/whl/cpu")
    names = {re.split(r"[^\w-]", line)[0] for line in lines}
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    assert "gradio" in core and "timm" in core
    assert names == core - {"gradio"}  # gradio comes with sdk_version


def test_only_a_space_is_replaced(tmp_path, tiny_checkpoint):
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    (other / "README.md").write_text("---\nsdk: gradio\napp_file: app.py\n---\n")  # somebody else's Space
    assert "holds something else than a Space" in refusal(space.assemble, other, str(tiny_checkpoint))
    assert (other / "thesis.txt").read_text() == "precious"
    assert "There is no model folder" in refusal(space.assemble, tmp_path / "new", "./none")
    assert not (tmp_path / "new").exists()


def test_a_space_is_replaced_and_only_its_own_history_stays(tmp_path, tiny_checkpoint):
    folder = space.assemble(tmp_path / "space", str(tiny_checkpoint))
    (folder / "stale.txt").write_text("old")
    clone = shutil.copytree(tiny_checkpoint, tmp_path / "clone")
    for cloned in (clone, folder):  # which was pushed
        (cloned / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (clone / "training.json").write_text('{"data": {"images": ["somewhere"]}}')
    (clone / "photos.json").write_text('["0123abcd"]')
    model = space.assemble(folder, str(clone)) / "assets" / "model"
    assert {path.name for path in model.iterdir()} == {path.name for path in tiny_checkpoint.iterdir()}
    assert (folder / ".git" / "HEAD").read_text() == "ref: refs/heads/main" and not (folder / "stale.txt").exists()


def test_an_output_that_cannot_be_used_is_reported(tmp_path, tiny_checkpoint, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "file").write_text("")
    for output, reason in (
        (".", "contains the current"),
        (str(tiny_checkpoint / "x"), "to be copied"),
        ("../file/x", "is not a writable folder"),
    ):
        assert space.main(["--output", output, "--model", str(tiny_checkpoint)]) == 2
        assert reason in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "here"]


def test_it_starts_from_its_folder_alone(folder, photo, vqa, tmp_path):
    allowed_names = closure([*(folder / "requirements.txt").read_text().splitlines(), "gradio"])
    owners = metadata.packages_distributions()
    normal = {name: {owner.lower().replace("_", "-") for owner in who} for name, who in owners.items()}
    allowed = {name for name, who in normal.items() if who & allowed_names}
    assert "torch" in allowed and "jsonargparse" not in allowed and "pytest" not in allowed
    (tmp_path / "sitecustomize.py").write_text(SITE.format(hidden=set(normal) - allowed - {"vqa", "ui"}))
    port = free_port()
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    environment |= {"PYTHONPATH": str(tmp_path), "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    check = "import runpy, ui, vqa; print(ui.__file__, vqa.__file__, flush=True); runpy.run_path('app.py')"
    options = {"cwd": folder, "env": environment, "stderr": subprocess.STDOUT, "start_new_session": True}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", check], stdout=log, **options)
    try:
        end, client = time.monotonic() + 120, None
        while client is None and time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(Exception):
                client = Client(f"http://127.0.0.1:{port}/", verbose=False, analytics_enabled=False)
            time.sleep(0.5)
        assert client is not None, (tmp_path / "log").read_text()
        found = client.predict(handle_file(photo), QUESTION, api_name="/ask")
        assert found["answer"] == vqa.ask(photo, QUESTION).text
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
    first = (tmp_path / "log").read_text().splitlines()[0]
    assert first == f"{folder / 'ui' / '__init__.py'} {folder / 'vqa' / '__init__.py'}"
