"""Loads a checkpoint, or reports in one sentence what is wrong with its folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn
from torch.overrides import TorchFunctionMode

from vqa.checkpoint.find import WEIGHTS, Checkpoint, check_part, find_checkpoint, read_checkpoint, unreadable
from vqa.checkpoint.weights import finite, load_weights
from vqa.model.errors import InputError, printable
from vqa.model.net import VQANet
from vqa.model.settings import VQASettings

if TYPE_CHECKING:
    from vqa.model.model import VQAModel
    from vqa.model.processing import VQAProcessor

# What `orthogonal_` and `xavier_uniform_` of torch.nn.init call, which are not dispatched themselves.
FILLING = (torch.Tensor.normal_, torch.Tensor.uniform_)


def load_checkpoint(model: str | Path | None = None) -> "tuple[VQAModel, VQAProcessor]":
    """The model, in float32 on the CPU and in evaluation mode, and its processor.

    Raises `InputError` as `load_model` does.
    """
    # Answering does not need transformers, which takes seconds to import.
    from vqa.model.configuration import VQAConfig
    from vqa.model.model import VQAModel
    from vqa.model.processing import VQAProcessor

    checkpoint = read_checkpoint(find_checkpoint(model))
    net = load_model(checkpoint, VQAConfig.from_dict, VQAModel)
    try:
        return net, VQAProcessor.from_pretrained(checkpoint.folder)
    except Exception as error:  # a setting of a wrong type surfaces as almost anything
        raise unreadable(checkpoint.folder, error) from error


def load_model(checkpoint: Checkpoint, read: Any = VQASettings.read, build: Any = VQANet) -> Any:
    """The model, in float32 on the CPU and in evaluation mode; read, build: classes of its configuration and itself.

    Raises `InputError` for a folder that lacks a file, a tensor, or has tensors too many or of another shape.
    """
    folder = checkpoint.folder
    check_part(folder, WEIGHTS)
    try:
        config = read(checkpoint.config)
        if not all(isinstance(answer, str) and answer == printable(answer) for answer in config.answers):
            raise ValueError("id2label holds something else than texts")
        tensors = load_weights(folder)
        with Uninitialized():
            net = build(config)
    except SafetensorError as error:
        raise InputError(f"{folder / WEIGHTS} is damaged ({error}); copy or download it again.") from error
    except Exception as error:  # a setting of a wrong type surfaces as almost anything
        raise unreadable(folder, error) from error
    check_tensors(folder, net, tensors)
    if checkpoint.size != config.image_size or checkpoint.tokenizer.get_vocab_size() > config.vocab_size:
        raise InputError(
            f"The checkpoint {folder} has a processor_config.json or tokenizer.json that does not belong to "
            "its config.json; copy all files again from one model."
        )
    net.load_state_dict(tensors, assign=True)
    return net.eval()


class Uninitialized(TorchFunctionMode):
    """Within it a module's weights are not initialised, since a file overwrites them. (On the device `meta` they would
    not be either, but its Python kernels take seconds to import.)"""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init" or func in FILLING:
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        if func is torch.linalg.qr:  # `orthogonal_` only multiplies the result, and copies it to the tensor
            return args[0], args[0]
        return func(*args, **kwargs or {})


def alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both have the same shape, and numbers of the same kind."""
    return one.shape == other.shape and one.is_floating_point() == other.is_floating_point()


def check_tensors(folder: Path, net: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Raise an `InputError` unless `tensors` are exactly those of `net`, and finite."""
    if undefined := next((name for name, value in tensors.items() if not finite(value)), None):
        raise InputError(f"The checkpoint {folder} has undefined or infinite weights in {undefined}; copy it again.")
    own = net.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    wrong = [name for name in own.keys() & tensors.keys() if not alike(own[name], tensors[name])]
    for names, verb in ((missing, "lacks"), (extra, "has the unknown"), (wrong, "has, in another shape or type,")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(
                f"The checkpoint {folder} {verb} tensor {names[0]}{more}; its config.json and {WEIGHTS} "
                "do not belong together, so copy both again from one model."
            )
