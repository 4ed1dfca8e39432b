"""The training loop of every model. It can be stopped at any step and resumed to the same weights."""

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.progress import Progress, TextColumn
from safetensors.torch import load_file
from torch import Tensor, nn

from train.fitting.settings import Optimisation
from train.fitting.state import Average, damaged, has_state, load_state, read_facts, save_state, save_tensors
from vqa.data.files import whole_file
from vqa.data.parallel import prefetch
from vqa.model.device import fast_dtype, pick_device
from vqa.model.errors import InputError

if TYPE_CHECKING:  # needed by a `Run` only
    from accelerate import Accelerator
    from torch.utils.tensorboard import SummaryWriter

Batch = dict[str, Tensor]
SAVE_SECONDS = 300.0  # the state is saved after each epoch and at least this often


class Task(nn.Module):
    """What is learned: a module whose `forward(**batch)` is the loss of a batch.

    Its parameters that require a gradient are trained. All that a resumed run needs is in its `state_dict`: what is
    carried from step to step is a buffer.
    """

    name: str
    steps: int
    """Batches an epoch and process."""
    epochs: float
    patience: int = sys.maxsize
    """Training stops after this many epochs without a better held-out score."""
    higher_is_better = True
    betas = (0.9, 0.999)
    """The optimiser's decays."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        """This process's batches, in an order that depends on the epoch and the seed only."""
        raise NotImplementedError

    def held_out(self) -> dict[str, float]:
        """Scores on held-out data; the weights with the best mean are the result (without scores the last weights)."""
        return {}

    def rate_share(self, name: str) -> float:
        """The learning rate of the parameter `name` as a share of the run's."""
        return 1.0


class Run:
    """A run of one task, or of several in turn, in a folder: `last/` is its latest state, `NAME.safetensors` the best
    weights of each task, `logs/` its curves for TensorBoard.

    settings: those that determine the result; a run is only resumed with the same ones.
    Raises `InputError` where `resume` does not suit the folder, or the settings are not those of the run there.
    """

    def __init__(
        self,
        folder: Path,
        optim: Optimisation,
        seed: int,
        settings: dict[str, Any],
        resume: bool = False,
        device: str = "auto",
    ):
        from accelerate import Accelerator
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.optim, self.seed = folder, optim, seed
        place = pick_device(device)
        self.accelerator = Accelerator(mixed_precision=precision(optim.precision, place), cpu=place.type == "cpu")
        self.resumed = read_facts(folder / "last") if resume else None
        if self.resumed is None and has_state(folder / "last"):
            raise InputError(f"{folder} holds a run already; add --resume to continue it, or choose another --output.")
        self.settings = settings = settings | {"processes": self.accelerator.num_processes}
        for name, value in settings.items():
            if self.resumed is not None and ({"processes": 1} | self.resumed["settings"]).get(name) != value:
                raise InputError(
                    f"The run in {folder} was started with other settings of '{name}'; resume it with the same ones."
                )
        self.done: list[str] = self.resumed["done"] if self.resumed else []
        folder.mkdir(parents=True, exist_ok=True)
        self.curves = SummaryWriter(folder / "logs") if self.accelerator.is_main_process else None

    def train(self, task: Task) -> None:
        """Train `task` and load its best weights into it. The weights of a finished task are read from disk."""
        best_file = self.folder / f"{task.name}.safetensors"
        accelerator, optim = self.accelerator, self.optim
        task.to(accelerator.device)
        if task.name in self.done:
            with damaged(self.folder):
                task.load_state_dict(load_file(best_file))
            return
        optimizer, average = make_optimizer(task, optim), Average(task, optim.average)
        at: dict[str, Any] = {"task": task.name, "epoch": 0, "step": 0, "best": None, "stale": 0}
        at |= {"done": self.done, "settings": self.settings}
        if self.resumed is not None and self.resumed["task"] == task.name:
            at = self.resumed
            load_state(self.folder / "last", task, optimizer, average)
        if not task.steps:
            raise InputError(
                f"There are fewer batches of the task '{task.name}' than processes, {accelerator.num_processes}; "
                "give more questions, smaller batches or fewer processes."
            )
        total = max(1, round(task.epochs * task.steps))
        model, stepper = accelerator.prepare(task, optimizer)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        with Display(task, total, accelerator, self.curves) as display:
            saved = time.perf_counter()
            while at["epoch"] * task.steps < total and at["stale"] < task.patience:
                task.train()
                first = at["epoch"] * task.steps
                display.start_epoch(first + at["step"])
                for number, batch in enumerate(prefetch(islice(task.batches(at["epoch"]), total - first))):
                    if number < at["step"]:
                        continue  # done before the run was stopped
                    step = first + number
                    for group in optimizer.param_groups:
                        group["lr"] = group["share"] * optim.rate * schedule(step, total, optim)
                    # seeded by the step, a resumed run needs no generator's state
                    torch.manual_seed((self.seed << 40) + (step << 12) + accelerator.process_index)
                    loss = model(**{name: x.to(accelerator.device, non_blocking=True) for name, x in batch.items()})
                    accelerator.backward(loss * self.share_of(batch))
                    norm = accelerator.clip_grad_norm_(trained, optim.clip)
                    stepper.step()
                    stepper.zero_grad()
                    average.update(step)
                    at["step"] = number + 1
                    display.step(step, batch, loss.detach(), norm)
                    if time.perf_counter() - saved > SAVE_SECONDS:
                        self.save(task, optimizer, average, at)
                        saved = time.perf_counter()
                scores = self.judge(task, average, at, best_file)
                at |= {"epoch": at["epoch"] + 1, "step": 0}
                display.end_epoch(at["epoch"], scores)
                self.save(task, optimizer, average, at)
                saved = time.perf_counter()
        accelerator.wait_for_everyone()
        task.load_state_dict(load_file(best_file))
        self.done.append(task.name)
        self.save(task, optimizer, average, at)

    def share_of(self, batch: Batch) -> float | Tensor:
        """The weight of a batch's mean loss among those of all processes, whose batches may differ in size."""
        if (processes := self.accelerator.num_processes) == 1:
            return 1
        size = torch.tensor(float(len(next(iter(batch.values())))), device=self.accelerator.device)
        return size * processes / self.accelerator.reduce(size)

    def close(self) -> None:
        if self.curves is not None:
            self.curves.close()

    def judge(self, task: Task, average: Average, at: dict[str, Any], best_file: Path) -> dict[str, float]:
        """Score the averaged weights, write them if they are the best so far, and return the scores."""
        task.eval()
        if self.optim.average:
            average.swap()
        with torch.inference_mode(), self.accelerator.autocast():
            scores = task.held_out()
        score = sum(scores.values()) / max(1, len(scores)) * (1 if task.higher_is_better else -1)
        at["stale"] += 1
        if at["best"] is None or score > at["best"] or not scores:
            at |= {"best": score, "stale": 0}
            if self.accelerator.is_main_process:
                with whole_file(best_file) as new:
                    save_tensors(new, task.state_dict())
        if self.optim.average:
            average.swap()
        return scores

    def save(self, task: Task, optimizer: torch.optim.Optimizer, average: Average, at: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            save_state(self.folder / "last", task, optimizer, average, at)


class Display(Progress):
    """A progress bar over the steps of a task, a line for each epoch, and the curves for TensorBoard."""

    def __init__(self, task: Task, total: int, accelerator: "Accelerator", curves: "SummaryWriter | None"):
        columns = (*Progress.get_default_columns(), TextColumn("{task.fields[now]}"))
        super().__init__(*columns, transient=True, disable=not accelerator.is_main_process)
        self.learned, self.epochs, self.curves = task, math.ceil(total / task.steps), curves
        self.processes, self.row = accelerator.num_processes, self.add_task(task.name, total=total, now="")

    def start_epoch(self, step: int) -> None:
        self.losses: list[Tensor] = []
        self.examples, self.started = 0, time.perf_counter()
        self.update(self.row, completed=step)

    def step(self, step: int, batch: Batch, loss: Tensor, norm: Tensor | None) -> None:
        self.losses.append(loss)
        self.examples += len(next(iter(batch.values()))) * self.processes
        self.advance(self.row)
        if len(self.losses) % 20 == 1:
            self.update(self.row, now=f"loss {float(loss):.3f} · {self.rate():,.0f} examples/s")
            self.draw(step, {"loss": loss, "gradient_norm": norm or 0.0, "examples_per_second": self.rate()})

    def end_epoch(self, epoch: int, scores: dict[str, float]) -> None:
        self.draw(epoch * self.learned.steps, scores)
        loss = f"loss {float(torch.stack(self.losses).mean()):.3f}" if self.losses else "resumed at its end"
        parts = [loss, f"{self.rate():,.0f} examples/s", *(f"{name} {value:.3f}" for name, value in scores.items())]
        if not self.disable:
            self.console.print(f"{self.learned.name} {epoch}/{self.epochs}: {', '.join(parts)}", highlight=False)

    def rate(self) -> float:
        return self.examples / (time.perf_counter() - self.started)

    def draw(self, step: int, values: Mapping[str, float | Tensor]) -> None:
        """Add a point to each of the task's curves."""
        for name, value in values.items():
            if self.curves is not None:
                self.curves.add_scalar(f"{self.learned.name}/{name}", float(value), step)


def precision(name: str, device: torch.device) -> str | None:
    """accelerate's name of the precision. `auto` is that of `accelerate launch`, else bf16 where the device computes in
    it natively."""
    if name != "auto":
        return name
    if "ACCELERATE_MIXED_PRECISION" in os.environ:
        return None
    return "bf16" if fast_dtype(device) is torch.bfloat16 else "no"


def schedule(step: int, total: int, optim: Optimisation) -> float:
    """The learning rate's share of its maximum: a linear rise over the first `warmup` of all steps, then as `half_life`
    says."""
    rise = max(1, round(optim.warmup * total))
    if step < rise:
        return (step + 1) / rise
    if optim.half_life:
        return 0.5 ** ((step - rise) / (optim.half_life * total))
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def make_optimizer(task: Task, optim: Optimisation) -> torch.optim.Optimizer:
    """AdamW or Adamax; weight decay on matrices only, not on biases, norms and word vectors."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in task.named_parameters():
        if parameter.requires_grad:
            decay = optim.weight_decay if parameter.ndim > 1 and "embedding" not in name else 0.0
            groups.setdefault((task.rate_share(name), decay), []).append(parameter)
    options = [{"params": p, "share": s, "weight_decay": d, "lr": 0.0} for (s, d), p in groups.items()]
    if optim.optimizer == "adamax":
        return torch.optim.Adamax(options, betas=task.betas)
    return torch.optim.AdamW(options, betas=task.betas, fused=True)
