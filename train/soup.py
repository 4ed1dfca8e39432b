"""A soup: the mean weights of runs that went on from one model (Wortsman et al. 2022).

Such runs end in one valley of the loss, where the mean of their weights answers almost as well as all of them together,
and is one model.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from train.prepare import load_alike
from vqa.errors import InputError
from vqa.model import VQAModel
from vqa.processing import VQAProcessor


def stir(net: VQAModel, processor: VQAProcessor, folders: Sequence[str]) -> None:
    """Give `net` the mean weights of the checkpoints in `folders`, and bring it into evaluation mode.

    Raises `InputError` if one has other words, answers or sizes than `net`.
    """
    each = []
    for folder in folders:
        other, _ = load_alike(folder, net, processor)
        each.append(other.state_dict())
        if shapes(each[-1]) != shapes(net.state_dict()):
            raise InputError(f"The model in {folder} has other sizes than this one; stir runs of one configuration.")
    net.load_state_dict({name: mean([tensors[name] for tensors in each]) for name in each[0]})
    net.eval()


def mean(values: Sequence[Tensor]) -> Tensor:
    """Their mean; to the last bit one of them where all are equal: a store knows a frozen encoder by its weights."""
    first = values[0]
    if all(torch.equal(first, value) for value in values):
        return first
    return torch.stack([value.double() for value in values]).mean(0).to(first.dtype)


def shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    """Of each tensor by its name."""
    return {name: value.shape for name, value in tensors.items()}
