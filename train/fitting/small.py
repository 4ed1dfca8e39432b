"""What the trainings of the small models share (captions, completion, repair): their command, and one plain loop that
is stopped and resumed to the same weights."""

import argparse
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor, nn

from train.fitting.state import Average, load_state, read_facts, save_state
from vqa.model.device import fast_dtype
from vqa.model.errors import InputError


def command(train: Callable[[argparse.Namespace], object], given: argparse.Namespace) -> int:
    """Train, and return the exit code."""
    try:
        train(given)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Stopped; go on with --resume --output {given.output}", file=sys.stderr)
        return 130
    return 0


def add_options(parser: argparse.ArgumentParser, part: int, rate: float, average: float) -> None:
    """The options of every such training; part: batches between two saved states."""
    parser.add_argument("--part", type=int, default=part)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--average", type=float, default=average)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--resume", action="store_true")


class Learning:
    """A network that learns by Adam, its average, and how far it is.

    step: batches that are done; facts: those of the state that it goes on from.
    settings: what a run that goes on must have in common with its beginning. clip: the gradient's most L2 norm.
    Raises `InputError` where there is no such run to go on with, or one with other settings.
    """

    def __init__(
        self,
        net: nn.Module,
        given: argparse.Namespace,
        device: torch.device,
        settings: dict[str, Any],
        clip: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ):
        self.net, self.given, self.device, self.settings, self.clip = net, given, device, settings, clip
        self.optimizer = torch.optim.Adam(net.parameters(), lr=given.rate, betas=betas)
        self.average = Average(net, given.average)
        self.folder = given.output / "state"
        self.step, self.facts = 0, {}  # type: int, dict[str, Any]
        if given.resume:
            self.facts = read_facts(self.folder)
            if self.facts["settings"] != settings:
                raise InputError(
                    f"The run in {given.output} has other settings; repeat its own, or start without --resume."
                )
            load_state(self.folder, net, self.optimizer, self.average)
            self.step = self.facts["step"]

    def fast(self) -> torch.autocast:
        """bfloat16 inside it, where that is fast."""
        dtype = fast_dtype(self.device)
        return torch.autocast(self.device.type, dtype, enabled=dtype is torch.bfloat16)

    def run(
        self,
        steps: int,
        losses: Callable[[int], tuple[Tensor, float]],
        say: Callable[[float], str],
        warmup: int = 1,
        keep: float = 0.98,
        facts: Callable[[], dict[str, Any]] = dict,
        log: bool = True,
    ) -> float:
        """Learn until `steps` batches are done, and leave the average's weights in the network; returns the seconds.

        losses: of a batch's number the loss, and the number to show, of which `say` tells an average that keeps `keep`
        of what it was. facts: what more is saved with each state; log: print a line with it.
        """
        start, shown = time.perf_counter(), 0.0
        with Progress(transient=True) as bar:
            task = bar.add_task("batches", total=steps, completed=self.step)
            while self.step < steps:
                self.optimizer.param_groups[0]["lr"] = rate_at(self.step, steps, self.given.rate, warmup)
                loss, value = losses(self.step)
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
                self.optimizer.step()
                self.step += 1
                self.average.update(self.step)
                shown = keep * shown + (1 - keep) * value if shown else value
                bar.update(task, completed=self.step, description=say(shown))
                if self.step % self.given.part == 0 and self.step < steps:
                    told = {"step": self.step, "settings": self.settings, **facts()}
                    save_state(self.folder, self.net, self.optimizer, self.average, told)
                    if log:
                        seconds = time.perf_counter() - start
                        print(f"{self.step} of {steps}: {say(shown)}, {seconds:.0f} s", flush=True)
        self.average.swap()
        self.net.cpu().eval()
        return time.perf_counter() - start


def rate_at(step: int, steps: int, peak: float, warmup: int) -> float:
    """Up over the first batches, then down to 0 along a cosine."""
    return peak * min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / steps))
