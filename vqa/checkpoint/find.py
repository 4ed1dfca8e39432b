"""Finds a checkpoint's folder and reads its JSON files. Needs no PyTorch."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from vqa.model.errors import InputError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PROCESSOR = "processor_config.json"
TOKENIZER = "tokenizer.json"


def find_checkpoint(model: str | Path | None) -> Path:
    """The local folder of a checkpoint: `None` is the bundled one, a path itself, `owner/name` on the Hub.

    Raises `InputError` where there is none.
    """
    if model is None:
        return find_bundled("model")
    folder = Path(model)
    if os.path.isdir(folder):  # which, unlike Path.is_dir, never raises
        return folder
    if str(model).count("/") != 1 or folder.is_absolute() or str(model).startswith("."):
        raise InputError(
            f"There is no model folder {model}; name a checkpoint's folder or a Hub id such as owner/name."
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(model), ignore_patterns=["*.bin", "*.pt", "*.pth", "*.pkl"]))
    except Exception as error:  # the hub client raises a dozen unrelated types: network, authorisation, names
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise InputError(
            f"There is no folder {model}, and the Hub gave no such model ({reason}); check its name."
        ) from error


def find_bundled(name: str) -> Path:
    """The folder `assets/name`, inside the package where it was installed as a wheel, else beside it."""
    package = Path(__file__).parents[1]
    for folder in (package / "assets" / name, package.parent / "assets" / name):
        if (folder / CONFIG).is_file():
            return folder
    raise InputError(f"The bundled model '{name}' is missing from this installation; reinstall glimpse-vqa.")


def read_json(path: Path) -> Any:
    """The content of a JSON file of a checkpoint. Raises `InputError` if it is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); copy the checkpoint again.") from error


def read_objects(folder: Path, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The JSON objects of these files. Raises `InputError` for one that is missing, broken or no object."""
    objects = {}
    for name in names:
        check_part(folder, name)
        objects[name] = read_json(folder / name)
        if not isinstance(objects[name], dict):
            raise InputError(f"{folder / name} holds no JSON object; copy the checkpoint again.")
    return objects


def check_part(folder: Path, name: str) -> None:
    """Raise `InputError` where a checkpoint lacks a file."""
    if not (folder / name).is_file():
        raise InputError(f"The checkpoint {folder} has no {name}; copy the whole folder again.")


def weights_hash(*files: Path) -> str:
    """A hash of the weights' files, 32 hexadecimal digits (BLAKE2b)."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
