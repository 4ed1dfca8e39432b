"""Compare the ONNX runtime with PyTorch, one question at a time: a part of `python -m tools.benchmark`.

python -m tools.benchmark_runtimes [--model M]
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from tools.timing import Figures, jpeg, print_figures, seconds_in_turn
from vqa.model.device import fast_dtype
from vqa.predict import VQA, VQALike
from vqa.script import run

ROUNDS, PHOTOS = 12, 4  # new photos of each runtime in a round
QUESTIONS = (
    "what is on the table?",
    "is it raining?",
    "how many people are there?",
    "what color is the car on the left?",
)
PLAIN = "PyTorch float32"


def runtimes(model: str | None = None, rounds: int = ROUNDS) -> Figures:
    """Median milliseconds on the CPU for a new photo with its question and for the next question about it.

    A ratio, how many times as fast as PyTorch in float32, is the median over the rounds.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photos = [folder / f"{i}.jpg" for i in range((rounds + 1) * PHOTOS)]
        for i, path in enumerate(photos):
            path.write_bytes(jpeg(i))
        models = {PLAIN: VQA.load(model, "cpu", "float32", "torch")} | exported(model, folder / "onnx", photos[:16])
        if fast_dtype(torch.device("cpu")) is torch.bfloat16:
            models["PyTorch bfloat16"] = VQA.load(model, "cpu", "bfloat16", "torch")
        steps: dict[str, Callable[[], object]] = {}
        for name, vqa in models.items():
            steps |= {f"{name}, {kind} photo": step for kind, step in both_steps(vqa, photos).items()}
        seconds = seconds_in_turn(steps, rounds, calls=PHOTOS)
    figures: Figures = {}
    for name, values in seconds.items():
        figures[f"{name}, ms"] = 1000 * float(np.median(values))
        if not name.startswith(PLAIN):
            plain = seconds[f"{PLAIN}, {name.split(', ')[1]}"]
            figures[f"{name}, times as fast as {PLAIN}"] = float(np.median(plain / values))
    return figures


def both_steps(vqa: VQALike, photos: Sequence[Path]) -> dict[str, Callable[[], object]]:
    """A question about the next of the photos, and the next question about the last photo, which is cached."""
    paths, questions = iter(photos), cycle(QUESTIONS)
    last = photos[0]

    def new() -> None:
        nonlocal last
        last = next(paths)
        vqa.ask(last, next(questions))

    return {"new": new, "same": lambda: vqa.ask(last, next(questions))}


def exported(model: str | None, folder: Path, photos: Sequence[Path]) -> dict[str, VQALike]:
    """The model in the ONNX runtime, in float32 and in 8 bits."""
    from train.export_onnx import export_onnx
    from train.exporting.quantize import quantize

    quiet = Console(quiet=True)
    export_onnx(model, folder, quiet)
    quantize(folder, {str(path): list(QUESTIONS) for path in photos}, quiet)
    return {"ONNX float32": VQA.load(folder, runtime="onnx"), "ONNX int8": VQA.load(folder, runtime="onnx-int8")}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark_runtimes", description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    return run(parser, lambda given: print_figures(runtimes(given.model)), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
