"""Compare the ONNX runtime with PyTorch, one question at a time: a part of `python -m tools.benchmark`.

python -m tools.benchmark_runtimes [--model M]
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from tools.timing import Figures, jpeg, print_figures, seconds_in_turn
from vqa.model.device import fast_dtype
from vqa.predict import VQA, VQALike
from vqa.script import run

ROUNDS, CALLS = 12, 4  # of each step in a round
QUESTIONS = (
    "what is on the table?",
    "is it raining?",
    "how many people are there?",
    "what color is the car on the left?",
)
PLAIN = "PyTorch float32"


def runtimes(model: str | None = None) -> Figures:
    """The figures of `compare` for the model in each runtime and precision."""
    from train.export_onnx import export_onnx
    from train.exporting.quantize import quantize

    models = {PLAIN: VQA.load(model, "cpu", "float32", "torch")}
    if fast_dtype(torch.device("cpu")) is torch.bfloat16:
        models["PyTorch bfloat16"] = VQA.load(model, "cpu", "bfloat16", "torch")
    with tempfile.TemporaryDirectory() as place:
        folder, quiet = Path(place), Console(quiet=True)
        export_onnx(model, folder, quiet)
        for i in range(16):
            (folder / f"{i}.jpg").write_bytes(jpeg(i))
        quantize(folder, {str(photo): list(QUESTIONS) for photo in folder.glob("*.jpg")}, quiet)
        models |= {"ONNX float32": VQA.load(folder, runtime="onnx"), "ONNX int8": VQA.load(folder, runtime="onnx-int8")}
        return compare(models, PLAIN)


def compare(models: Mapping[str, VQALike], plain: str, rounds: int = ROUNDS, calls: int = CALLS) -> Figures:
    """Median milliseconds of each model for a new photo with its question and for the next question about it, and how
    many times as fast it is as the model `plain` (the median over the rounds)."""
    photos = [jpeg(i) for i in range((rounds + 1) * calls)]
    steps: dict[str, Callable[[], object]] = {}
    for name, vqa in models.items():
        steps[f"{name}, new photo"], steps[f"{name}, same photo"] = both_steps(vqa, photos)
    seconds = seconds_in_turn(steps, rounds, calls)
    figures: Figures = {}
    for name, values in seconds.items():
        figures[f"{name}, ms"] = 1000 * float(np.median(values))
        if not name.startswith(plain):
            reference = seconds[f"{plain}, {name.split(', ')[1]}"]
            figures[f"{name}, times as fast as {plain}"] = float(np.median(reference / values))
    return figures


def both_steps(vqa: VQALike, photos: Sequence[bytes]) -> tuple[Callable[[], object], Callable[[], object]]:
    """A question about the next of the photos, and the next question about the last photo, which is cached."""
    unseen, questions, last = iter(photos), cycle(QUESTIONS), photos[0]

    def new() -> None:
        nonlocal last
        last = next(unseen)
        vqa.ask(last, next(questions))

    return new, lambda: vqa.ask(last, next(questions))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark_runtimes", description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    return run(parser, lambda given: print_figures(runtimes(given.model)), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
