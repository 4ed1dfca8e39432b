"""A checkpoint is a folder that is complete by itself: checked, read and written here."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from vqa.configuration import VQAConfig
from vqa.errors import InputError
from vqa.files import whole_folder
from vqa.folder import CONFIG, PROCESSOR, TOKENIZER, WEIGHTS, check_part, find_checkpoint, read_objects
from vqa.model import VQAModel
from vqa.processing import VQAImageProcessor, VQAProcessor

PARTS = (CONFIG, PROCESSOR, TOKENIZER)


def load_checkpoint(model: str | Path | None = None) -> tuple[VQAModel, VQAProcessor]:
    """The model, in float32 on the CPU and in evaluation mode, and its processor.

    Raises `InputError` for a folder that lacks a file, a tensor, or has tensors too many or of another shape.
    """
    folder = find_checkpoint(model)
    objects = read_objects(folder, PARTS)
    check_part(folder, WEIGHTS)
    if objects[CONFIG].get("model_type") != VQAConfig.model_type:
        raise InputError(f"The checkpoint {folder} is not of model type '{VQAConfig.model_type}'; name another folder.")
    try:
        config = VQAConfig.from_pretrained(folder)
        tensors = load_file(folder / WEIGHTS)
        processor = VQAProcessor.from_pretrained(folder)
        with torch.device("meta"):  # nothing is initialised that the file fills anyway
            net = VQAModel(config)
    except SafetensorError as error:
        raise InputError(f"{folder / WEIGHTS} is damaged ({error}); copy or download it again.") from error
    except Exception as error:  # a setting of a wrong type surfaces as almost anything
        reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(f"The checkpoint {folder} cannot be read ({reason}); copy the whole folder again.") from error
    check_tensors(folder, net, tensors)
    if processor.image_processor.size != config.image_size or len(processor.tokenizer) > config.vocab_size:
        raise InputError(
            f"The checkpoint {folder} has a processor_config.json or tokenizer.json that does not belong to "
            "its config.json; copy all files again from one model."
        )
    tensors = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    net.load_state_dict(tensors, assign=True)
    if any(buffer.is_meta for buffer in net.buffers()):  # a backbone with buffers that are not saved
        net = VQAModel(config)
        net.load_state_dict(tensors)
    return net.eval(), processor


def check_tensors(folder: Path, net: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Raise an `InputError` unless `tensors` are exactly those of `net`."""
    own = net.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    wrong = [name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape]
    for names, verb in ((missing, "lacks"), (extra, "has the unknown"), (wrong, "has, in another shape,")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(
                f"The checkpoint {folder} {verb} tensor {names[0]}{more}; its config.json and {WEIGHTS} "
                "do not belong together, so copy both again from one model."
            )


def save_checkpoint(
    folder: str | Path, net: VQAModel, processor: VQAProcessor, extra: dict[str, Any] | None = None
) -> None:
    """Write a complete checkpoint, 16-bit; `extra` maps further file names to JSON-able objects.

    The folder appears whole or not at all."""
    net.config.architectures = [type(net).__name__]
    net.config.dtype = torch.float32  # to compute in: transformers reads the 16-bit weights into it
    for name in ("is_local", "local_files_only"):  # of the folder that the tokenizer was read from
        processor.tokenizer.init_kwargs.pop(name, None)
    tensors = {name: half(value).contiguous() for name, value in net.state_dict().items()}
    with whole_folder(Path(folder)) as new:
        net.config.save_pretrained(new)
        processor.save_pretrained(new)
        # written here, since save_file lets nobody but the owner read the file
        (new / WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt"}))
        for name, content in (extra or {}).items():
            (new / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def half(value: torch.Tensor) -> torch.Tensor:
    """To float16, clamped to its range (a running variance can exceed it); integers stay."""
    if not value.is_floating_point():
        return value.cpu()
    limit = torch.finfo(torch.float16).max
    return value.detach().float().clamp(-limit, limit).half().cpu()


def provenance(encoder: dict[str, torch.Tensor], backbone: str, image_processor: VQAImageProcessor) -> dict[str, Any]:
    """What makes a grid what it is: kept in a feature store, and compared before it is read with a model.

    encoder: the image encoder's `state_dict`. Weights are hashed at 16 bits, so that a checkpoint and the
    float32 weights it was saved from agree.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(encoder.items()):
        digest.update(name.encode())
        digest.update(half(value).numpy().tobytes())
    return {
        "backbone": backbone,
        "weights": digest.hexdigest(),
        "image_size": image_processor.size,
        "image_mean": image_processor.image_mean,
        "image_std": image_processor.image_std,
    }


def checkpoint_provenance(folder: Path, net: VQAModel, processor: VQAProcessor) -> dict[str, Any]:
    """The provenance of the grids that the checkpoint in `folder` computes."""
    prefix = "image_encoder."
    with safe_open(folder / WEIGHTS, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (no mapping)
        tensors = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    return provenance(tensors, net.config.backbone, processor.image_processor)
