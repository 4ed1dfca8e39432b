"""A run's state on disk, and the moving average of its weights."""

import itertools
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from train.fitting.state import Average, load_state, read_facts, save_state
from vqa.model.errors import InputError


def at(step: int) -> dict:
    """What a run writes into state.json."""
    facts = {"task": "model", "epoch": 1, "step": step, "best": 41.25, "stale": 0}
    return facts | {"done": ["text"], "settings": {"seed": 1}}


def make(seed: int, kind: type[Optimizer] = torch.optim.AdamW) -> tuple[nn.Module, Optimizer, Average]:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    net[3].bias.requires_grad_(False)
    groups = [{"params": net[:2].parameters()}, {"params": [net[3].weight], "weight_decay": 0.1}]
    return net, kind(groups, lr=0.01), Average(net, 0.9)


def learn(net: nn.Module, optimizer: Optimizer, average: Average, steps: range) -> None:
    for step in steps:
        torch.manual_seed(step)
        net(torch.randn(5, 3, 4, 4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update(step)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adamax])
def test_a_run_goes_on_as_if_never_stopped(kind: type[Optimizer], tmp_path: Path) -> None:
    unbroken = make(0, kind)
    learn(*unbroken, range(6))
    first = make(0, kind)
    learn(*first, range(3))
    facts = at(3)
    save_state(tmp_path / "last", *first, at(2))
    save_state(tmp_path / "last", *first, facts)
    assert [path.name for path in tmp_path.iterdir()] == ["last"] and read_facts(tmp_path / "last") == facts
    second = make(1, kind)
    load_state(tmp_path / "last", *second)
    learn(*second, range(3, 6))
    torch.testing.assert_close(second[0].state_dict(), unbroken[0].state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(second[2].weights, unbroken[2].weights, rtol=0, atol=0)


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_leaves_a_whole_state(renames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The save is cut short at its first rename or its second, or not: one of the two states is there, whole."""
    folder, rename, calls = tmp_path / "last", Path.rename, itertools.count()

    def stop(self: Path, target: Path) -> Path:
        if next(calls) >= renames:
            raise KeyboardInterrupt
        return rename(self, target)

    save_state(folder, *make(0), at(1))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) if renames < 2 else nullcontext():
        patch.setattr(Path, "rename", stop)
        save_state(folder, *make(0), at(2))
    assert read_facts(folder) == at(1 if renames < 2 else 2)
    parts = {"weights.safetensors", "optimizer.safetensors", "average.safetensors", "state.json"}
    assert {path.name for path in folder.iterdir()} == parts
    load_state(folder, *make(2))


def test_a_kill_while_writing_leaves_the_earlier_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path / "last", *make(0), at(1))

    def full(path: Path, tensors: dict) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr("train.fitting.state.save_tensors", full)
        save_state(tmp_path / "last", *make(0), at(2))
    assert read_facts(tmp_path / "last") == at(1)
    save_state(tmp_path / "last", *make(0), at(3))  # what was left over is no hindrance
    assert read_facts(tmp_path / "last") == at(3)


def test_a_missing_state_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no state to resume in .*; start the run without --resume\.$"):
        read_facts(tmp_path / "last")
    (tmp_path / "last").mkdir()
    (tmp_path / "last/state.json").write_text("{")
    with pytest.raises(InputError, match=r"state\.json cannot be read .*; delete that folder"):
        read_facts(tmp_path / "last")


@pytest.mark.parametrize("most", [0.9, 0.0])
def test_average_is_the_naive_one(most: float) -> None:
    net, optimizer, _ = make(0)
    average = Average(net, most)
    naive = {name: value.clone() for name, value in average.live.items()}
    for step in range(40):
        learn(net, optimizer, average, range(step, step + 1))
        decay = min(most, (1 + step) / (10 + step))  # follows fast at first
        for name, value in average.live.items():
            naive[name] = decay * naive[name] + (1 - decay) * value.detach()
    assert {"0.weight", "1.running_var", "3.weight"} <= naive.keys()
    assert "3.bias" not in naive and "1.num_batches_tracked" not in naive  # frozen, and not a real number
    for name, value in naive.items():
        torch.testing.assert_close(average.weights[name], value, msg=name)


def test_swapping_shows_the_average_and_swapping_again_hides_it() -> None:
    net, optimizer, average = make(0)
    learn(net, optimizer, average, range(3))
    live = {name: value.clone() for name, value in net.state_dict().items()}
    mean = {name: value.clone() for name, value in average.weights.items()}
    average.swap()
    shown = net.state_dict()
    torch.testing.assert_close({name: shown[name] for name in mean}, mean, rtol=0, atol=0)
    assert not torch.equal(shown["0.weight"], live["0.weight"])
    average.swap()
    torch.testing.assert_close(net.state_dict(), live, rtol=0, atol=0)
    torch.testing.assert_close(average.weights, mean, rtol=0, atol=0)
