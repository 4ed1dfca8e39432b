"""Reading weights, and writing them in 16 bits. Nothing here imports transformers, which takes seconds."""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import nn

from vqa.checkpoint.find import WEIGHTS


def save_weights(folder: Path, net: nn.Module) -> None:
    """Write a model's tensors as `model.safetensors`, 16-bit."""
    tensors = {name: half(value).contiguous() for name, value in net.state_dict().items()}
    # save_file would make the file readable by its owner only
    (folder / WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt"}))


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of `model.safetensors`, in float32 (integers stay). Raises `SafetensorError` for a damaged file."""
    tensors = load_file(folder / WEIGHTS).items()
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors}


def encoder_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The image encoder's tensors under its own names, as they are stored; the others are not read."""
    prefix = "image_encoder."
    with safe_open(folder / WEIGHTS, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (no mapping)
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}


def finite(value: torch.Tensor) -> bool:
    """Whether all elements are finite. Their sum says so five times faster, except where it overflows."""
    return bool(value.sum().isfinite()) or bool(value.isfinite().all())


def half(value: torch.Tensor) -> torch.Tensor:
    """To float16, clamped to its range (a running variance can exceed it); integers stay."""
    if not value.is_floating_point():
        return value.cpu()
    limit = torch.finfo(torch.float16).max
    return value.detach().float().clamp(-limit, limit).half().cpu()
