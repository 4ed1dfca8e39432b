"""Saves a model as a checkpoint, a self-contained folder."""

from pathlib import Path
from typing import Any

import torch
from transformers.dynamic_module_utils import custom_object_save

from vqa.checkpoint.find import CONFIG
from vqa.checkpoint.weights import save_weights
from vqa.data.files import whole_folder, write_json
from vqa.model.model import VQAModel
from vqa.model.processing import VQAProcessor


def save_checkpoint(
    folder: str | Path, net: VQAModel, processor: VQAProcessor, extra: dict[str, Any] | None = None
) -> None:
    """Write a complete checkpoint, 16-bit; `extra` maps further file names to JSON-able objects.

    The folder appears whole or not at all."""
    net.config.architectures = [type(net).__name__]
    net.config.dtype = torch.float32  # to compute in: transformers reads the 16-bit weights into it
    for name in ("is_local", "local_files_only"):  # left over from reading the tokenizer
        processor.tokenizer.init_kwargs.pop(name, None)
    with whole_folder(Path(folder), CONFIG) as new:
        custom_object_save(net, new)  # the code that reads the folder where this package is not installed
        net.config.save_pretrained(new)
        processor.save_pretrained(new)
        save_weights(new, net)
        for name, content in (extra or {}).items():
            write_json(new / name, content)
