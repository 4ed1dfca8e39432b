"""A phase of training: one objective, learned by a plain loop that can be stopped and resumed to the same weights."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rich.progress import Progress, TextColumn
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from train.fitting.settings import Optimisation
from train.fitting.state import Average, load_state, save_state
from vqa.data.files import whole_file
from vqa.data.parallel import prefetch

Batch = dict[str, Tensor]


@dataclass
class Phase:
    """One objective.

    Attributes:
        objective: a module whose forward takes a batch's tensors and returns the loss; its parameters that require a
            gradient are trained.
        batches: epoch to this process's batches, in an order that depends on nothing else.
        steps: batches an epoch and process.
        evaluate: the score on held-out questions in percent, the higher the better; None: the last weights are kept.
        patience: stop after so many epochs without a better score.
        rate_of: parameter name to its share of the learning rate.
    """

    name: str
    objective: nn.Module
    batches: Callable[[int], Iterator[Batch]]
    steps: int
    epochs: int
    evaluate: Callable[[], dict[str, float]] | None = None
    patience: int = 10**9
    rate_of: Callable[[str], float] = field(default=lambda name: 1.0)


@dataclass
class Run:
    """What all phases of a run share. `log(name, value, step)` draws a curve; `resumed` are the facts of `last/`."""

    folder: Path
    accelerator: Accelerator
    optim: Optimisation
    seed: int
    save_seconds: float
    fingerprint: dict[str, Any]
    log: Callable[[str, float, int], None]
    resumed: dict[str, Any] | None = None

    def run(self, phase: Phase) -> None:
        """Train `phase` to its end and leave its best weights in the objective. A finished phase is read from disk."""
        best_file = self.folder / f"{phase.name}.safetensors"
        if self.resumed is not None and phase.name in self.resumed["done"]:
            phase.objective.load_state_dict(load_file(best_file))
            return
        optimizer = make_optimizer(phase, self.optim)
        average = Average(phase.objective, self.optim.average)
        facts: dict[str, Any] = {"phase": phase.name, "epoch": 0, "step": 0, "best": -1.0, "stale": 0}
        facts |= {"done": [], "fingerprint": self.fingerprint}
        if self.resumed is not None:
            facts["done"] = self.resumed["done"]
            if self.resumed["phase"] == phase.name:
                facts |= self.resumed
                load_state(self.folder / "last", phase.objective, optimizer, average)
        self._loop(phase, optimizer, average, facts, best_file)
        self.accelerator.wait_for_everyone()
        phase.objective.load_state_dict(load_file(best_file))
        facts["done"].append(phase.name)
        self._save(phase, optimizer, average, facts)
        self.resumed = {**facts, "phase": None}

    def _loop(
        self, phase: Phase, optimizer: torch.optim.Optimizer, average: Average, facts: dict, best_file: Path
    ) -> None:
        accelerator, total = self.accelerator, phase.epochs * phase.steps
        model, wrapped = accelerator.prepare(phase.objective, optimizer)
        parameters = [p for p in model.parameters() if p.requires_grad]
        columns = (*Progress.get_default_columns(), TextColumn("{task.fields[now]}"))
        with Progress(*columns, transient=True, disable=not accelerator.is_main_process) as bar:
            task = bar.add_task(phase.name, total=total, completed=facts["epoch"] * phase.steps + facts["step"], now="")
            saved = time.perf_counter()
            while facts["epoch"] < phase.epochs and facts["stale"] < phase.patience:
                model.train()
                losses, questions, epoch_start = [], 0, time.perf_counter()
                for number, batch in enumerate(prefetch(phase.batches(facts["epoch"]))):
                    if number < facts["step"]:
                        continue  # seen before the run was stopped
                    step = facts["epoch"] * phase.steps + number
                    for group in optimizer.param_groups:
                        group["lr"] = group["share"] * self.optim.rate * schedule(step, total, self.optim)
                    # seeded by the step, a resumed run needs no generator's state
                    torch.manual_seed((self.seed << 40) + (step << 12) + accelerator.process_index)
                    batch = {name: value.to(accelerator.device, non_blocking=True) for name, value in batch.items()}
                    loss = model(**batch)
                    accelerator.backward(loss)
                    norm = accelerator.clip_grad_norm_(parameters, self.optim.clip)
                    wrapped.step()
                    wrapped.zero_grad()
                    average.update(step)
                    loss = loss.detach()
                    losses.append(loss)
                    questions += len(batch["input_ids"]) * accelerator.num_processes
                    facts["step"] = number + 1
                    bar.advance(task)
                    if number % 20 == 0:
                        rate = questions / (time.perf_counter() - epoch_start)
                        bar.update(task, now=f"loss {float(loss):.3f} · {rate:,.0f} questions/s")
                        self.log(f"{phase.name}/loss", float(loss), step)
                        self.log(f"{phase.name}/gradient_norm", float(norm or 0.0), step)
                        self.log(f"{phase.name}/questions_per_second", rate, step)
                    if time.perf_counter() - saved > self.save_seconds:
                        self._save(phase, optimizer, average, facts)
                        saved = time.perf_counter()
                seconds = time.perf_counter() - epoch_start
                line = f"{phase.name} {facts['epoch'] + 1}/{phase.epochs}: "
                line += f"loss {float(torch.stack(losses).mean()):.3f}" if losses else "resumed at its end"
                line += f", {questions / seconds:,.0f} questions/s"
                line += self._judge(phase, average, facts, best_file)
                if accelerator.is_main_process:
                    bar.console.print(line, highlight=False)
                facts |= {"epoch": facts["epoch"] + 1, "step": 0}
                self._save(phase, optimizer, average, facts)
                saved = time.perf_counter()

    def _judge(self, phase: Phase, average: Average, facts: dict, best_file: Path) -> str:
        """Evaluate the averaged weights, keep them if they are the best so far; returns what to print."""
        phase.objective.eval()
        if self.optim.average:
            average.swap()
        with torch.inference_mode(), self.accelerator.autocast():
            scores = phase.evaluate() if phase.evaluate else {}
        score = sum(scores.values()) / len(scores) if scores else float(facts["epoch"])
        if score > facts["best"]:
            facts |= {"best": score, "stale": 0}
            if self.accelerator.is_main_process:
                weights = {name: value.contiguous() for name, value in phase.objective.state_dict().items()}
                with whole_file(best_file) as new:
                    save_file(weights, new)
        else:
            facts["stale"] += 1
        if self.optim.average:
            average.swap()
        for name, value in scores.items():
            self.log(f"{phase.name}/{name}", value, (facts["epoch"] + 1) * phase.steps)
        return "".join(f", {name} {value:.2f}%" for name, value in scores.items())

    def _save(self, phase: Phase, optimizer: torch.optim.Optimizer, average: Average, facts: dict) -> None:
        if self.accelerator.is_main_process:
            save_state(self.folder / "last", phase.objective, optimizer, average, facts)


def schedule(step: int, total: int, optim: Optimisation) -> float:
    """The rate's share of its maximum: a linear rise over the first `warmup` of all steps, then as `schedule` says."""
    rise = max(1, round(optim.warmup * total))
    if step < rise:
        return (step + 1) / rise
    if optim.schedule == "constant":
        return 1.0
    if optim.schedule == "halving":
        return 0.5 ** ((step - rise) / (optim.half_life * total))
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def make_optimizer(phase: Phase, optim: Optimisation) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019), Adam or Adamax (Kingma & Ba 2015); decay on matrices only, not on biases, norms
    and word vectors."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in phase.objective.named_parameters():
        if parameter.requires_grad:
            decay = optim.weight_decay if parameter.ndim > 1 and "embedding" not in name else 0.0
            groups.setdefault((phase.rate_of(name), decay), []).append(parameter)
    options = [{"params": p, "share": s, "weight_decay": d, "lr": 0.0} for (s, d), p in groups.items()]
    if optim.optimizer == "adamax":
        return torch.optim.Adamax(options)
    return (torch.optim.Adam if optim.optimizer == "adam" else torch.optim.AdamW)(options, fused=True)
