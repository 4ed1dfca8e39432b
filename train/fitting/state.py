"""A training run's state on disk, without pickles: tensors as safetensors, the rest as JSON."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from vqa.data.files import old_folder, read_json, whole_folder
from vqa.model.errors import InputError


def save_state(folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, average: "Average", facts: dict) -> None:
    """Write weights, optimiser, average and `facts` (JSON-able) to `folder`, whole or not at all."""
    moments = {
        f"{index}.{name}": value
        for index, slots in optimizer.state_dict()["state"].items()
        for name, value in slots.items()
    }
    parts = (("weights", net.state_dict()), ("optimizer", moments), ("average", average.weights))
    with whole_folder(folder, "state.json") as new:
        for name, tensors in parts:
            save_tensors(new / f"{name}.safetensors", tensors)
        (new / "state.json").write_text(json.dumps(facts, indent=1))


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a file of tensors; a full disk is an `OSError`, which safetensors itself does not raise."""
    path.write_bytes(save({name: value.contiguous() for name, value in tensors.items()}))


def has_state(folder: Path) -> bool:
    """Whether there is a state to resume from, also where a kill came between the last two steps of a save."""
    old = old_folder(folder)
    if not (folder / "state.json").is_file() and old.is_dir():
        old.rename(folder)
    return folder.exists()


@dataclass(frozen=True)
class Facts:
    """The content of state.json: the task, how far it is, its best score, and the tasks and settings before it."""

    task: str
    epoch: int
    step: int
    best: float | None
    stale: int
    done: list[str]
    settings: dict[str, Any]


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts of the state in `folder`. Raises `InputError` if there is none."""
    if not has_state(folder):
        raise InputError(f"There is no state to resume in {folder}; start the run without --resume.")
    return asdict(read_json(folder / "state.json", "delete that folder and start the run without --resume", Facts))


def load_state(folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, average: "Average") -> None:
    """Restore weights, optimiser and average as `save_state` wrote them."""
    with damaged(folder):
        net.load_state_dict(load_file(folder / "weights.safetensors"))
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in load_file(folder / "optimizer.safetensors").items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        groups = optimizer.state_dict()["param_groups"]  # rates follow from the step
        optimizer.load_state_dict({"state": state, "param_groups": groups})
        saved = load_file(folder / "average.safetensors")
        for key, value in average.weights.items():
            value.copy_(saved[key])


@contextmanager
def damaged(folder: Path) -> Iterator[None]:
    """Turns whatever tensors that are damaged or of another run raise into an `InputError`."""
    try:
        yield
    except (SafetensorError, RuntimeError, KeyError, ValueError, OSError) as error:
        reason = str(error).split("\n")[0].rstrip(".:")
        message = f"The state in {folder} is damaged or of another run ({reason:.200})"
        raise InputError(f"{message}; delete that folder and start the run without --resume.") from error


class Average:
    """An exponential moving average of the trained weights (Polyak & Juditsky 1992), which generalises better than
    the last weights. Early on it follows faster, so that the initial weights are soon forgotten."""

    def __init__(self, net: nn.Module, decay: float):
        self.decay = decay
        self.live: dict[str, Tensor] = {name: p for name, p in net.named_parameters() if p.requires_grad}
        learning = {name.rpartition(".")[0] for name in self.live}  # others' buffers stay to the bit, signed zeros too
        self.live |= {
            n: b for n, b in net.named_buffers() if b.is_floating_point() and n.rpartition(".")[0] in learning
        }
        self.weights = {name: p.detach().clone() for name, p in self.live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.weights.values()), list(self.live.values()), 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the live weights and the average; call again to undo."""
        for name, value in self.live.items():
            value.data, self.weights[name] = self.weights[name], value.data
