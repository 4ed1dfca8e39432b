"""Writing weights in 16 bits. Nothing here imports transformers, which takes seconds."""

from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from vqa.checkpoint.find import WEIGHTS


def save_weights(folder: Path, net: nn.Module) -> None:
    """Write a model's tensors as `model.safetensors`, 16-bit."""
    tensors = {name: half(value).contiguous() for name, value in net.state_dict().items()}
    # save_file would make the file readable by its owner only
    (folder / WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt"}))


def half(value: torch.Tensor) -> torch.Tensor:
    """To float16, clamped to its range (a running variance can exceed it); integers stay."""
    if not value.is_floating_point():
        return value.cpu()
    limit = torch.finfo(torch.float16).max
    return value.detach().float().clamp(-limit, limit).half().cpu()
