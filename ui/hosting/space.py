"""Put the app together as a Hugging Face Space: `python -m ui.hosting.space --output DIR [--model M]`.

The folder is complete by itself: code, model, requirements. Pushing it is the user's own act, with their own login.
"""

import argparse
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import gradio

import ui
import vqa
from vqa.checkpoint.auxiliary import find_bundle
from vqa.checkpoint.find import find_checkpoint
from vqa.checkpoint.load import load_checkpoint
from vqa.data.files import whole_folder
from vqa.model.errors import InputError

PYTHON = "3.12"
README = """---
title: {title}
emoji: 👁️
colorFrom: indigo
colorTo: yellow
sdk: gradio
sdk_version: {gradio}
python_version: "{python}"
app_file: app.py
suggested_hardware: cpu-basic
pinned: false
license: apache-2.0
short_description: Ask a photo a question, see where the model looked
tags: [visual-question-answering, attention, lstm]
{models}---
<!-- Made by python -m ui.hosting.space, which replaces this folder when it is run again. -->
# {title}

Ask a photo a question, get an answer, and see why: where the model looked, which words counted, and what it would have
said without looking. A CNN, an LSTM and spatial attention, {megabytes:.0f} MB; it runs on a CPU.
Uploads are deleted after an hour.
"""
APP = """import importlib.util
import os

if importlib.util.find_spec("spaces"):
    import spaces  # ZeroGPU wants to be there before torch

from ui.app import launch

launch(host="0.0.0.0", port=int(os.environ.get("GRADIO_SERVER_PORT", 7860)))
"""
BUNDLES = ("complete", "caption", "repair")
LEFT_OUT = ("__pycache__", "*.pyc", "*.pyi", ".*", "training.json")
# .* is also the .git of a model that was cloned from the Hub; training.json names folders of this machine.
ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
MARK = "<!-- Made by python -m ui.hosting.space,"  # a folder whose README says so may be replaced


def assemble(output: Path, model: str | None = None, title: str = "Glimpse") -> Path:
    """Make the Space's folder: whole, or not at all. title: what the Space calls itself.

    Raises `InputError` for a model that cannot be read, or a folder that holds something else.
    """
    checkpoint = find_checkpoint(model)
    load_checkpoint(checkpoint)  # told here rather than on the Space
    packages = [Path(package.__path__[0]) for package in (vqa, ui)]
    output = output.resolve()
    check(output, [checkpoint, *packages])
    try:
        with whole_folder(output) as folder:
            for package in packages:
                shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns(*LEFT_OUT, "assets"))
            bundles = {"model": checkpoint} | {name: find_bundle(name) for name in BUNDLES}
            for name, source in bundles.items():
                shutil.copytree(source, folder / "assets" / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
            # A path would tell strangers about this machine; a Hub id leads them to the model.
            models = "" if model is None or Path(model).is_dir() else f"models: [{model}]\n"
            about = README.format(
                title=title,
                gradio=gradio.__version__,
                python=PYTHON,
                models=models,
                megabytes=size(folder / "assets") / 1e6,
            )
            (folder / "README.md").write_text(about, encoding="utf-8")
            (folder / "app.py").write_text(APP, encoding="utf-8")
            (folder / "requirements.txt").write_text("\n".join(requirements()) + "\n", encoding="utf-8")
            (folder / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
            if (output / ".git").is_dir():  # of a Space that was pushed: its history stays
                shutil.copytree(output / ".git", folder / ".git", symlinks=True)
    except OSError as error:
        raise InputError(f"The folder {output} cannot be written ({error}); name another --output.") from error
    return output


def check(output: Path, sources: list[Path]) -> None:
    """Raises `InputError` for a folder that may not be replaced."""
    if output in (here := Path.cwd(), *here.parents):
        raise InputError(f"You stand in the folder {output}, which would be replaced; name another --output.")
    if any(output.is_relative_to(source.resolve()) for source in sources):
        raise InputError(f"The folder {output} lies in what is to be copied; name another --output.")
    try:
        taken = output.is_file() or (output.is_dir() and any(output.iterdir()) and not is_space(output))
    except OSError as error:
        raise InputError(f"The folder {output} cannot be read ({error}); name another --output.") from error
    if taken:
        raise InputError(f"The folder {output} holds something else than a Space; name a new or an empty one.")


def size(folder: Path) -> int:
    """Bytes of the files in a folder, without git's own."""
    files = (file for file in folder.rglob("*") if ".git" not in file.relative_to(folder).parts)
    return sum(file.stat().st_size for file in files if file.is_file())


def requirements() -> list[str]:
    """What the core needs, and the example photos; gradio comes with `sdk_version`."""
    try:
        needed = [line for line in metadata.requires("glimpse-vqa") or [] if "extra ==" not in line]
    except metadata.PackageNotFoundError as error:
        raise InputError("glimpse-vqa is not installed, only unpacked; run: pip install -e . in its folder.") from error
    return [line for line in needed if re.split(r"[^\w-]", line)[0] != "gradio"] + ["scikit-image"]


def is_space(folder: Path) -> bool:
    readme = folder / "README.md"
    return readme.is_file() and MARK in readme.read_text(encoding="utf-8", errors="replace")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ui.hosting.space", description="Put the app together as a Space.")
    parser.add_argument("--output", required=True, type=Path, help="the folder to make")
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    arguments = parser.parse_args()
    try:
        folder = assemble(arguments.output, arguments.model)
    except InputError as error:
        print(f"python -m ui.hosting.space: {error}", file=sys.stderr)
        return 2
    print(f"{folder} is a complete Space ({size(folder) / 1e6:.1f} MB). Try it: cd {folder} && python app.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
