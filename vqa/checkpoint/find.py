"""Finds a checkpoint's folder and reads its JSON files. Needs no PyTorch."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from vqa.data import files
from vqa.model.errors import InputError, reason
from vqa.model.settings import MODEL_TYPE

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PROCESSOR = "processor_config.json"
TOKENIZER = "tokenizer.json"
MAX_SIZE = 4096  # pixels of a side


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
        raise InputError(f"There is no model folder {model}; name a checkpoint's folder or a Hub id like owner/name.")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(model), ignore_patterns=["*.bin", "*.pt", "*.pth", "*.pkl"]))
    except Exception as error:  # the hub client raises a dozen unrelated types: network, authorisation, names
        message = f"There is no folder {model}, and the Hub gave no such model ({reason(error)}); check its name."
        raise InputError(message) from error


def find_bundled(name: str) -> Path:
    """The folder `assets/name`, inside the package where it was installed as a wheel, else beside it."""
    package = Path(__file__).parents[1]
    for folder in (package / "assets" / name, package.parent / "assets" / name):
        if (folder / CONFIG).is_file():
            return folder
    raise InputError(f"The bundled model '{name}' is missing from this installation; reinstall glimpse-vqa.")


def read_json(path: Path, kind: Any = dict) -> Any:
    """A JSON file of a checkpoint. Raises `InputError` for one that is missing, and as `vqa.data.files.read_json`."""
    check_part(path.parent, path.name)
    return files.read_json(path, "copy the checkpoint again", kind)


@dataclass(frozen=True)
class Checkpoint:
    """The JSON files of a checkpoint's folder, each read once.

    config: the content of config.json. size: side in pixels of the square that photos are resized to. image_mean,
    image_std: on the 0-1 scale, a number for all channels or three. tokenizer: splits questions into words.
    """

    folder: Path
    config: dict[str, Any]
    size: int
    image_mean: Any
    image_std: Any
    tokenizer: Tokenizer


def read_checkpoint(folder: Path, config: dict[str, Any] | None = None) -> Checkpoint:
    """The checkpoint in `folder`, without its weights; config: the content of config.json, if it is read already.

    Raises `InputError` for a file that is missing or broken, and for another kind of model.
    """
    config = read_json(folder / CONFIG) if config is None else config
    if config.get("model_type") != MODEL_TYPE:
        raise InputError(f"The checkpoint {folder} is not of model type '{MODEL_TYPE}'; name another folder.")
    processor = read_json(folder / PROCESSOR)
    check_part(folder, TOKENIZER)
    try:
        photos = processor["image_processor"]
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        tokenizer.encode_special_tokens = True  # "[PAD]" in a question is a word
        size, mean, std = int(photos["size"]), photos["image_mean"], photos["image_std"]
        if not 1 <= size <= MAX_SIZE or not all(map(is_scale, (mean, std))) or 0 in np.atleast_1d(std):
            raise ValueError(f"photos of {size} pixels, mean {mean}, standard deviation {std}")
        return Checkpoint(folder, config, size, mean, std, tokenizer)
    except Exception as error:  # tokenizers raises plain Exception, a setting of a wrong type almost anything
        raise unreadable(folder, error) from error


def is_scale(value: Any) -> bool:
    """Whether it is a number or three of them, of at most 1,000."""
    numbers = value if isinstance(value, list) and len(value) == 3 else [value]
    return all(type(number) in (int, float) and abs(number) <= 1000 for number in numbers)


def unreadable(folder: Path, error: Exception) -> InputError:
    """The error for a checkpoint with a broken setting."""
    return InputError(f"The checkpoint {folder} cannot be read ({reason(error):.200}); copy the whole folder again.")


def check_part(folder: Path, name: str) -> None:
    """Raise `InputError` where a checkpoint lacks a file."""
    if not (folder / name).is_file():
        raise InputError(f"The checkpoint {folder} has no {name}; copy the whole folder again.")


def weights_hash(*files: Path) -> str:
    """A hash of the weights' files, 32 hexadecimal digits (BLAKE2b)."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()
