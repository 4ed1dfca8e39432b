"""The checkpoints of the smaller models (captions, completion, repair): a folder with a configuration and weights."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from vqa.checkpoint.find import CONFIG, WEIGHTS, find_bundled, read_json
from vqa.checkpoint.load import check_tensors
from vqa.checkpoint.save import half
from vqa.data.files import whole_folder
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
    tensors = {name: half(value).contiguous() for name, value in net.state_dict().items()}
    with whole_folder(Path(folder)) as new:
        (new / WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt"}))
        contents = {CONFIG: {"model_type": kind, **config}} | {f"{stem}.json": v for stem, v in extra.items()}
        for name, content in contents.items():
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            name, text = ("README.md", content) if name == "README.json" else (name, text)
            (new / name).write_text(text, encoding="utf-8")


def load_bundle(folder: Path, kind: str, build: Callable[[dict[str, Any]], Net]) -> tuple[Net, dict[str, Any]]:
    """The model, in float32 on the CPU and in evaluation mode, and its configuration.

    build: makes the network of a configuration. Raises `InputError` for a folder of another kind, a setting that
    `build` refuses, or weights that are damaged or not this network's.
    """
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or config.get("model_type") != kind:
        raise InputError(f"{folder} holds no checkpoint of type '{kind}'; name another folder.")
    try:
        tensors = load_file(folder / WEIGHTS)
        net = build(config)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder / WEIGHTS} cannot be read ({error}); copy the checkpoint again.") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder / CONFIG} is broken ({error!r:.100}); copy the checkpoint again.") from error
    check_tensors(folder, net, tensors)
    net.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    return net.eval(), config
