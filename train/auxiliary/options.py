"""The options that the trainings of the smaller models (captions, completion, repair) share, and their run."""

import argparse
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from train.fitting.loop import Run
from train.fitting.settings import Optimisation, check_seed
from vqa.data.files import locked

# Options that do not determine the result.
FREE = {"output", "resume", "device", "table", "images", "model", "measure", "measure_features"}


def add_options(parser: argparse.ArgumentParser, rate: float, average: float) -> argparse.ArgumentParser:
    """The parser with the options of every such training, which have these defaults."""
    parser.add_argument("--output", type=Path, required=True, help="a folder: last/ to resume from, best/ the model")
    parser.add_argument("--rate", type=float, default=rate, help="the highest learning rate")
    parser.add_argument("--average", type=float, default=average, help="decay of the weights' moving average")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--resume", action="store_true", help="continue from last/")
    return parser


def start(given: argparse.Namespace, clip: float, warmup: float) -> Run:
    """The run of these options in `output`, with torch's generator seeded. clip, warmup: as in `Optimisation`.

    Raises `InputError` as `Run` does, and for a seed that cannot be used.
    """
    check_seed(given.seed)
    optim = Optimisation(rate=given.rate, average=given.average, clip=clip, warmup=warmup, weight_decay=0.0)
    run = Run(given.output, optim, given.seed, settings(given), given.resume, given.device)
    torch.manual_seed(given.seed)
    return run


def holding(train: Callable[[argparse.Namespace], Any]) -> Callable[[argparse.Namespace], Any]:
    """The training, which holds its output folder: no other run can write there meanwhile."""

    @functools.wraps(train)
    def held(given: argparse.Namespace) -> Any:
        with locked(given.output):
            return train(given)

    return held


def settings(given: argparse.Namespace) -> dict[str, Any]:
    """The options that determine the result, as JSON holds them."""
    content = {name: value for name, value in vars(given).items() if name not in FREE}
    return json.loads(json.dumps(content, default=str))
