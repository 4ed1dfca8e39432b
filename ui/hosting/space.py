"""Assemble the app as a Hugging Face Space: `python -m ui.hosting.space --output DIR [--model M]`.

The folder is complete by itself: code, models, requirements. Pushing it is up to the user, with their own login.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from shlex import quote

import gradio

import ui
import vqa
from ui.browser.site import megabytes
from vqa.checkpoint.auxiliary import find_bundle
from vqa.checkpoint.find import find_checkpoint
from vqa.checkpoint.load import load_checkpoint
from vqa.data.files import file_errors, whole_folder
from vqa.model.errors import InputError
from vqa.script import run

PYTHON = "3.12"
README = Path(__file__).with_suffix(".md")
APP = """import importlib.util
import os

if importlib.util.find_spec("spaces"):
    import spaces  # ZeroGPU requires that it is imported before torch

from ui.app import launch

launch(host="0.0.0.0", port=int(os.environ.get("GRADIO_SERVER_PORT", 7860)))
"""
CPU = "--extra-index-url https://download.pytorch.org/whl/cpu"  # PyTorch without CUDA; a GPU Space deletes the line
BUNDLES = ("complete", "caption", "repair")
# .* is also the .git of a model that was cloned from the Hub; training.json names folders of this machine.
LEFT_OUT = ("__pycache__", "*.pyc", "*.pyi", ".*", "training.json", "photos.json")
ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
MARK = "<!-- Made by python -m ui.hosting.space,"  # a folder whose README says so may be replaced


def assemble(output: Path, model: str | None = None, title: str = "Glimpse") -> Path:
    """Write the Space's folder, whole or not at all, and print what it is. title: the name that the Space shows.

    Raises `InputError` for a model that cannot be read, or a folder that holds something else.
    """
    checkpoint = find_checkpoint(model)
    load_checkpoint(checkpoint)  # so that a broken one is reported here, not on the Space
    packages = [Path(package.__path__[0]) for package in (vqa, ui)]
    output = output.resolve()
    check_output(output, [checkpoint, *packages])
    bundles = {"model": checkpoint} | {name: find_bundle(name) for name in BUNDLES}
    advice = "name another --output"
    with file_errors(f"The folder {output} cannot be written", advice), whole_folder(output, "README.md") as folder:
        for package in packages:
            shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns(*LEFT_OUT, "assets"))
        for name, source in bundles.items():
            shutil.copytree(source, folder / "assets" / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        readme = README.read_text(encoding="utf-8").format(
            title=title,
            quoted=json.dumps(title, ensure_ascii=False),  # for YAML, to which 1.0 and yes are no text
            gradio=gradio.__version__,
            python=PYTHON,
            # A path would tell strangers about this machine; a Hub id leads them to the model.
            models="" if model is None or Path(model).is_dir() else f"models: [{json.dumps(model)}]\n",
            megabytes=megabytes(folder / "assets"),
        )
        needed = "\n".join([CPU, *requirements()]) + "\n"
        files = {"README.md": readme, "app.py": APP, ".gitattributes": ATTRIBUTES, "requirements.txt": needed}
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        if (output / ".git").is_dir():  # of a Space that was pushed: its history stays
            shutil.copytree(output / ".git", folder / ".git", symlinks=True)
    command = f"cd {quote(str(output))} && python app.py"
    print(f"{output} is a complete Space ({megabytes(output):.1f} MB). Try it: {command}")
    return output


def check_output(output: Path, sources: list[Path]) -> None:
    """Raises `InputError` for a folder that may not be replaced."""
    if output in (here := Path.cwd(), *here.parents):
        raise InputError(f"The folder {output} is or contains the current one; name another --output.")
    if any(output.is_relative_to(source.resolve()) for source in sources):
        raise InputError(f"The folder {output} lies in a folder that is to be copied; name another --output.")
    readme = output / "README.md"
    with file_errors(f"The folder {output} cannot be read", "name another --output"):
        new = not output.exists() or (output.is_dir() and not any(output.iterdir()))
        replaceable = new or (readme.is_file() and MARK in readme.read_text(encoding="utf-8", errors="replace"))
    if not replaceable:
        raise InputError(f"The folder {output} holds something else than a Space; name a new or an empty one.")


def requirements() -> list[str]:
    """The package's dependencies without gradio, which comes with `sdk_version`."""
    try:
        needed = [line for line in metadata.requires("glimpse-vqa") or [] if "extra ==" not in line]
    except metadata.PackageNotFoundError as error:
        raise InputError("glimpse-vqa is not installed, only unpacked; run: pip install -e . in its folder.") from error
    return [line for line in needed if re.split(r"[^\w-]", line)[0] != "gradio"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ui.hosting.space", description="Assemble the app as a Space.")
    parser.add_argument("--output", required=True, type=Path, help="the folder to write")
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    return run(parser, lambda given: assemble(given.output, given.model), arguments)


if __name__ == "__main__":
    sys.exit(main())
