"""The loop of a phase: its schedule, its optimiser, what it keeps."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor, nn

from train.fitting.loop import Phase, Run, make_optimizer, schedule
from train.fitting.settings import Optimisation
from train.fitting.tasks import Answering
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor


def test_schedule_rises_along_a_line_and_falls_along_a_cosine() -> None:
    rates = [schedule(step, 100, Optimisation(warmup=0.1)) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(rates) == 1.0
    assert rates[10:] == pytest.approx([(1 + math.cos(math.pi * i / 90)) / 2 for i in range(90)])
    assert all(before > after for before, after in itertools.pairwise(rates[10:]))
    assert schedule(100, 100, Optimisation(warmup=0.1)) == pytest.approx(0)
    assert rates[55] == pytest.approx(0.5)


def test_schedule_of_short_runs() -> None:
    assert schedule(0, 1, Optimisation(warmup=0.0)) == 1.0
    assert all(0 < schedule(step, 3, Optimisation(warmup=0.9)) <= 1 for step in range(3))


def test_schedule_halves_or_stays_after_its_rise() -> None:
    halving = Optimisation(warmup=0.1, schedule="halving", half_life=0.25)
    assert [schedule(step, 200, halving) for step in (0, 9, 19, 20, 70, 120)] == [0.05, 0.5, 1.0, 1.0, 0.5, 0.25]
    assert schedule(45, 200, halving) == pytest.approx(math.sqrt(0.5))
    constant = Optimisation(warmup=0.1, schedule="constant")
    assert [schedule(step, 200, constant) for step in (0, 19, 20, 199)] == [0.05, 1.0, 1.0, 1.0]


def names_by_setting(phase: Phase, optim: Optimisation) -> dict[tuple[float, float], set[str]]:
    name_of = {id(parameter): name for name, parameter in phase.objective.named_parameters()}
    groups = make_optimizer(phase, optim).param_groups
    return {(g["share"], g["weight_decay"]): {name_of[id(p)] for p in g["params"]} for g in groups}


def test_decay_is_for_matrices_and_the_encoder_has_its_own_rate(net: VQAModel) -> None:
    parts = ("image_encoder", "question_encoder", "attention", "fusion", "answer_head")
    objective = Answering(net, VQAImageProcessor(16), parts)
    phase = Phase("model", objective, lambda epoch: iter(()), 1, 1, rate_of=lambda name: 0.1 if "image" in name else 1)
    groups = names_by_setting(phase, Optimisation(weight_decay=0.02))
    trained = {name for name, p in objective.named_parameters() if p.requires_grad}
    assert set.union(*groups.values()) == trained
    assert sum(map(len, groups.values())) == len(trained)
    assert not any("blind_head" in name or "image_only_head" in name for name in trained)
    dimensions = {name: p.ndim for name, p in objective.named_parameters()}
    for (share, decay), names in groups.items():
        for name in names:
            assert share == (0.1 if name.startswith("net.image_encoder.") else 1.0)
            assert decay == (0.02 if dimensions[name] > 1 and name != "net.question_encoder.embedding.weight" else 0.0)
    assert "net.question_encoder.embedding.weight" in groups[1.0, 0.0]
    assert "net.answer_head.1.weight" in groups[1.0, 0.02]
    assert "net.answer_head.1.bias" in groups[1.0, 0.0]


@pytest.mark.parametrize("name", ["adamw", "adam", "adamax"])
def test_optimisers_take_their_papers_steps(name: str) -> None:
    """The first two steps of a number with the gradients 2 and -1, from the papers' equations."""
    objective = Line()
    phase = Phase("line", objective, lambda epoch: iter(()), 1, 1)
    optimizer = make_optimizer(phase, Optimisation(optimizer=name, weight_decay=0.0))  # type: ignore[arg-type]
    optimizer.param_groups[0]["lr"] = 0.1
    first, second, most, expected = 0.0, 0.0, 0.0, 0.0
    for step, gradient in enumerate((2.0, -1.0), start=1):
        objective.weight.grad = torch.tensor([gradient])
        optimizer.step()
        first, second, most = (
            0.9 * first + 0.1 * gradient,
            0.999 * second + 0.001 * gradient**2,
            max(0.999 * most, abs(gradient)),
        )
        size = most if name == "adamax" else math.sqrt(second / (1 - 0.999**step))
        expected -= 0.1 * first / (1 - 0.9**step) / size
        assert objective.weight.item() == pytest.approx(expected, rel=1e-5)


class Line(nn.Module):
    """Learns y = 3 x."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, input_ids: Tensor) -> Tensor:
        return (self.weight * input_ids - 3 * input_ids).square().mean()


def batches(epoch: int) -> Iterator[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(epoch)
    for _ in range(4):
        yield {"input_ids": torch.rand(8, generator=generator)}


def run_phase(folder: Path, scores: list[float], **changes: float) -> tuple[float, list[str]]:
    """The weight that is kept, and what was logged."""
    objective, logged = Line(), []
    left = iter(scores)
    phase = Phase("line", objective, batches, 4, len(scores), lambda: {"score": next(left)}, patience=2)
    optim = Optimisation(rate=0.1, average=0.0, clip=10.0, warmup=0.0, precision="no")
    for name, value in changes.items():
        setattr(optim, name, value)
    run = Run(folder, Accelerator(mixed_precision="no"), optim, 1, 1e9, {}, lambda name, *_: logged.append(name))
    run.run(phase)
    return objective.weight.item(), logged


def test_the_best_epoch_is_kept_and_patience_ends_the_phase(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "long").mkdir()
    kept, logged = run_phase(tmp_path / "long", [10, 20, 15, 19, 50, 60])
    assert logged.count("line/score") == 4  # the fifth epoch would have come after two without a better score
    alone, _ = run_phase(tmp_path / "two", [10, 20, 0, 0, 0, 0])
    assert kept == alone > 0.5
    assert load_file(tmp_path / "long/line.safetensors")["weight"].item() == kept


def test_gradients_are_cut(tmp_path: Path) -> None:
    """AdamW's first steps have the size of the rate whatever the gradient: what shows a cut is the second moment."""
    moments = {}
    for clip in (1e-3, 1e9):
        folder = tmp_path / str(clip)
        folder.mkdir()
        run_phase(folder, [1.0], clip=clip)
        moments[clip] = load_file(folder / "last/optimizer.safetensors")["0.exp_avg_sq"].item()
    assert moments[1e-3] <= 1e-6 < moments[1e9]
