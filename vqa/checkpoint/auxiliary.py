"""The checkpoints of the smaller models (captions, completion, repair): a folder with a configuration and weights."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from torch import nn

from vqa.checkpoint.find import CONFIG, WEIGHTS, find_bundled, read_json
from vqa.checkpoint.load import Uninitialized, check_tensors
from vqa.checkpoint.weights import load_weights, save_weights
from vqa.data.files import whole_folder, write_json
from vqa.model.errors import InputError

Net = TypeVar("Net", bound=nn.Module)


def find_bundle(name: str, folder: str | Path | None = None) -> Path:
    """The folder of a checkpoint: a given one, else the bundled one, as `assets/name`.

    Raises `InputError` where there is none.
    """
    if folder is None:
        return find_bundled(name)
    if not (Path(folder) / CONFIG).is_file():
        raise InputError(f"There is no checkpoint in {folder} (no {CONFIG}); name the folder that training wrote.")
    return Path(folder)


def save_bundle(folder: str | Path, kind: str, config: Mapping[str, Any], net: nn.Module, **extra: Any) -> None:
    """Write `config.json` (with kind as "model_type") and the weights at 16 bits, whole or not at all.

    extra: further JSON files by their stem, as results={…} for results.json; text under README goes to README.md.
    """
    with whole_folder(Path(folder), CONFIG) as new:
        save_weights(new, net)
        write_json(new / CONFIG, {"model_type": kind, **config})
        for stem, content in extra.items():
            if stem == "README":
                (new / "README.md").write_text(content, encoding="utf-8")
            else:
                write_json(new / f"{stem}.json", content)


@contextmanager
def broken_settings(folder: Path) -> Iterator[None]:
    """Turns whatever a setting of a wrong type raises into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{folder / CONFIG} is broken ({error!r:.100}); copy the checkpoint again.") from error


def load_bundle(folder: Path, kind: str, build: Callable[[dict[str, Any]], Net]) -> tuple[Net, dict[str, Any]]:
    """The model, in float32 on the CPU and in evaluation mode, and its configuration.

    build: makes the network of a configuration. Raises `InputError` for a folder of another kind, a setting that
    `build` refuses, or weights that are damaged or not this network's.
    """
    config = read_json(folder / CONFIG)
    if config.get("model_type") != kind:
        raise InputError(f"{folder} holds no checkpoint of type '{kind}'; name another folder.")
    try:
        tensors = load_weights(folder)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder / WEIGHTS} cannot be read ({error}); copy the checkpoint again.") from error
    with broken_settings(folder), Uninitialized():
        with torch.device("meta"):  # so that no setting makes it large
            check_tensors(folder, build(config), tensors)
        net = build(config)
    net.load_state_dict(tensors, assign=True)
    return net.eval(), config
