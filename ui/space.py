"""Put the app together as a Hugging Face Space: `python -m ui.space --output DIR [--model M]`.

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
from vqa.checkpoint import find_checkpoint, load_checkpoint
from vqa.errors import InputError
from vqa.files import whole_folder

PYTHON = "3.12"
README = """---
title: Glimpse
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
---
# Glimpse

Ask a photo a question, get an answer, and see why: where the model looked, which words counted, and what it would have
said without looking. A CNN, an LSTM and spatial attention; `{model}`, {megabytes:.0f} MB, runs on a CPU.
Uploads are deleted after an hour.
"""
APP = """import importlib.util
import os

if importlib.util.find_spec("spaces"):
    import spaces  # ZeroGPU wants to be there before torch

from ui.app import launch

launch(host="0.0.0.0", port=int(os.environ.get("GRADIO_SERVER_PORT", 7860)))
"""
ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
MARK = "app_file: app.py"  # a folder whose README says so is a Space, and may be replaced


def assemble(output: Path, model: str | None = None) -> Path:
    """Make the Space's folder: whole, or not at all.

    Raises `InputError` for a model that cannot be read, or a folder that holds something else.
    """
    checkpoint = find_checkpoint(model)
    load_checkpoint(checkpoint)  # told here rather than on the Space
    if output.is_file() or (output.is_dir() and any(output.iterdir()) and not is_space(output)):
        raise InputError(f"The folder {output} holds something else than a Space; name a new or an empty one.")
    with whole_folder(output) as folder:
        skipped = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi", "assets")
        for package in (vqa, ui):
            source = Path(package.__path__[0])
            shutil.copytree(source, folder / source.name, ignore=skipped)
        shutil.copytree(checkpoint, folder / "assets" / "model")
        weight = sum(file.stat().st_size for file in (folder / "assets").rglob("*") if file.is_file()) / 1e6
        about = README.format(
            gradio=gradio.__version__, python=PYTHON, model=model or "the bundled model", megabytes=weight
        )
        (folder / "README.md").write_text(about, encoding="utf-8")
        (folder / "app.py").write_text(APP, encoding="utf-8")
        (folder / "requirements.txt").write_text("\n".join(requirements()) + "\n", encoding="utf-8")
        (folder / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
    return output


def requirements() -> list[str]:
    """What the core needs, and the example photos; gradio comes with `sdk_version`."""
    needed = [line for line in metadata.requires("glimpse-vqa") or [] if "extra ==" not in line]
    return [line for line in needed if re.split(r"[^\w-]", line)[0] != "gradio"] + ["scikit-image"]


def is_space(folder: Path) -> bool:
    readme = folder / "README.md"
    return readme.is_file() and MARK in readme.read_text(encoding="utf-8", errors="replace")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ui.space", description="Put the app together as a Space.")
    parser.add_argument("--output", required=True, type=Path, help="the folder to make")
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    arguments = parser.parse_args()
    try:
        folder = assemble(arguments.output, arguments.model)
    except InputError as error:
        print(f"python -m ui.space: {error}", file=sys.stderr)
        return 2
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    print(f"{folder} is a complete Space ({size:.1f} MB). Try it: cd {folder} && python app.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
