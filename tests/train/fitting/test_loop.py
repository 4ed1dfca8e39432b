"""The training loop: its learning rate, its optimisers, its choice of weights."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from train.fitting.loop import Batch, Run, Task, make_optimizer, precision, schedule
from train.fitting.settings import Optimisation
from vqa.model.errors import InputError


def test_schedule_rises_along_a_line_and_falls_along_a_cosine() -> None:
    rates = [schedule(step, 100, Optimisation(warmup=0.1)) for step in range(101)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)]) and max(rates) == 1.0
    assert rates[10:] == pytest.approx([(1 + math.cos(math.pi * i / 90)) / 2 for i in range(91)])
    assert schedule(0, 1, Optimisation(warmup=0.0)) == 1.0
    assert all(0 < schedule(step, 3, Optimisation(warmup=0.9)) <= 1 for step in range(3))


def test_schedule_halves_after_its_rise() -> None:
    halving = Optimisation(warmup=0.1, half_life=0.25)
    assert [schedule(step, 200, halving) for step in (0, 9, 19, 20, 70, 120)] == [0.05, 0.5, 1.0, 1.0, 0.5, 0.25]
    assert schedule(45, 200, halving) == pytest.approx(math.sqrt(0.5))


class Line(Task):
    """Learns y = 3 x; beside it an embedding, a matrix and a frozen vector, which the loss does not depend on."""

    name, steps, patience = "line", 4, 2

    def __init__(self, scores: list[float] = (), epochs: float = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("seen", torch.zeros(()))
        self.scores, self.epochs = iter(scores), epochs

    def batches(self, epoch: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(epoch)
        for _ in range(4):
            yield {"x": torch.rand(8, generator=generator)}

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return (self.weight * x - 3 * x).square().mean()

    def held_out(self) -> dict[str, float]:
        return {"score": score} if (score := next(self.scores, None)) is not None else {}


def test_decay_is_for_matrices_only() -> None:
    class Parts(Line):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.linear, self.frozen = nn.Embedding(3, 2), nn.Linear(2, 2), nn.Linear(2, 2)
            self.frozen.requires_grad_(False)

        def rate_share(self, name: str) -> float:
            return 0.1 if "linear" in name else 1.0

    task = Parts()
    name_of = {id(parameter): name for name, parameter in task.named_parameters()}
    groups = make_optimizer(task, Optimisation(weight_decay=0.02)).param_groups
    assert {(g["share"], g["weight_decay"]): {name_of[id(p)] for p in g["params"]} for g in groups} == {
        (1.0, 0.0): {"weight", "embedding.weight"},
        (0.1, 0.02): {"linear.weight"},
        (0.1, 0.0): {"linear.bias"},
    }


@pytest.mark.parametrize("name", ["adamw", "adamax"])
def test_optimisers_take_their_papers_steps(name: str) -> None:
    """The first two steps of a number with the gradients 2 and -1, from the papers' equations."""
    task = Line()
    optimizer = make_optimizer(task, Optimisation(optimizer=name, weight_decay=0.0))  # type: ignore[arg-type]
    optimizer.param_groups[0]["lr"] = 0.1
    first, second, most, expected = 0.0, 0.0, 0.0, 0.0
    for step, gradient in enumerate((2.0, -1.0), start=1):
        task.weight.grad = torch.tensor([gradient])
        optimizer.step()
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        most = max(0.999 * most, abs(gradient))
        size = most if name == "adamax" else math.sqrt(second / (1 - 0.999**step))
        expected -= 0.1 * first / (1 - 0.9**step) / size
        assert task.weight.item() == pytest.approx(expected, rel=1e-5)


def train(folder: Path, task: Line, resume: bool = False, **changes: float) -> Run:
    optim = Optimisation(**({"rate": 0.1, "average": 0.0, "clip": 10.0, "warmup": 0.0} | changes))  # type: ignore[arg-type]
    run = Run(folder, optim, 1, {"rate": optim.rate}, resume)
    run.train(task)
    return run


def test_the_best_epoch_is_the_result_and_patience_ends_the_task(tmp_path: Path) -> None:
    long = Line([10, 20, 15, 19, 50, 60], epochs=6)
    train(tmp_path / "long", long)
    assert next(long.scores) == 50  # the fifth epoch would have come after two without a better score
    two = Line([10, 20, 0, 0], epochs=6)
    train(tmp_path / "two", two)
    assert long.weight.item() == two.weight.item() > 0.5
    assert load_file(tmp_path / "long/line.safetensors")["weight"].item() == long.weight.item()


def test_without_scores_the_last_weights_are_the_result_and_epochs_may_be_a_fraction(tmp_path: Path) -> None:
    task = Line(epochs=1.5)
    train(tmp_path / "run", task)
    assert task.seen == 6
    lower = Line([3.0, 1.0, 2.0], epochs=3)
    lower.higher_is_better = False
    train(tmp_path / "lower", lower)
    assert lower.seen == 8  # the second epoch's


def test_gradients_are_clipped(tmp_path: Path) -> None:
    """AdamW's first steps have the size of the rate whatever the gradient; the second moment is clipped."""
    moments = {}
    for clip in (1e-3, 1e9):
        train(tmp_path / str(clip), Line(), clip=clip)
        moments[clip] = load_file(tmp_path / str(clip) / "last/optimizer.safetensors")["0.exp_avg_sq"].item()
    assert moments[1e-3] <= 1e-6 < moments[1e9]


def test_a_finished_task_is_read_from_disk(tmp_path: Path) -> None:
    first, again = Line(), Line()
    train(tmp_path / "run", first)
    run = train(tmp_path / "run", again, resume=True)
    assert again.weight.item() == first.weight.item() and run.done == ["line"]


def test_fewer_batches_than_processes_are_refused(tmp_path: Path) -> None:
    task = Line()
    task.steps = 0
    with pytest.raises(InputError, match="fewer batches of the task 'line' than processes"):
        train(tmp_path, task)


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    assert (precision("bf16", cpu), precision("no", cpu), precision("auto", cpu)) == ("bf16", "no", None)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")  # in all tests it is 'no'
    for dtype, name in ((torch.bfloat16, "bf16"), (torch.float32, "no")):
        monkeypatch.setattr("train.fitting.loop.fast_dtype", lambda device, dtype=dtype: dtype)
        assert precision("auto", cpu) == name
