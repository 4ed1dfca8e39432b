"""The ONNX runtime against PyTorch, a question at a time: a part of `python -m tools.benchmark`.

python -m tools.benchmark_runtimes [--model M]
"""

import argparse
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from vqa.model.device import fast_dtype
from vqa.model.errors import InputError
from vqa.predict import VQA

ROUNDS, TURN = 12, 4  # and new photos in a turn, after one that warms the caches
QUESTIONS = (
    "what is on the table?",
    "is it raining?",
    "how many people are there?",
    "what color is the car on the left?",
)
PLAIN = "PyTorch float32"


def runtimes(model: str | None = None, rounds: int = ROUNDS) -> dict[str, float | str]:
    """Median milliseconds on the CPU for a new photo with its question and for the next question about it.

    They take turns; a ratio, how many times as fast as PyTorch in float32, is the median over the rounds.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photos = [folder / f"{i}.jpg" for i in range((rounds + 1) * (TURN + 1))]
        for i, path in enumerate(photos):
            path.write_bytes(jpeg(i))
        doors = {PLAIN: VQA.load(model, "cpu", "float32", "torch")} | exported(model, folder / "onnx", photos[:16])
        if fast_dtype(torch.device("cpu")) is torch.bfloat16:
            doors["PyTorch bfloat16"] = VQA.load(model, "cpu", "bfloat16", "torch")
        seconds: dict[str, list[np.ndarray]] = {name: [] for name in doors}
        for start in range(0, len(photos), TURN + 1):
            for name, vqa in doors.items():
                turn = [ask(vqa, path) for path in photos[start : start + TURN + 1]]
                seconds[name].append(np.median(turn[1:], axis=0))
    figures: dict[str, float | str] = {}
    plain = np.array(seconds[PLAIN][1:])
    for name, medians in seconds.items():
        times = np.array(medians[1:])
        for column, what in enumerate(("new photo", "same photo")):
            figures[f"{name}, {what}, ms"] = 1000 * float(np.median(times[:, column]))
            if name != PLAIN:
                ratio = float(np.median(plain[:, column] / times[:, column]))
                figures[f"{name}, {what}, times as fast as {PLAIN}"] = ratio
    return figures


def ask(vqa: VQA, path: Path) -> tuple[float, float]:
    """Seconds for a new photo with its question, and for the next question (the median of some)."""
    first, *rest = (clock(vqa, path, question) for question in QUESTIONS)
    return first, statistics.median(rest)


def clock(vqa: VQA, path: Path, question: str) -> float:
    start = time.perf_counter()
    vqa.ask(path, question)
    return time.perf_counter() - start


def exported(model: str | None, folder: Path, photos: list[Path]) -> dict[str, VQA]:
    """The model in the ONNX runtime, in float32 and in 8 bits."""
    from train.export_onnx import export_onnx
    from train.exporting.quantize import Shown, quantize

    quiet = Console(quiet=True)
    export_onnx(model, folder, quiet)
    quantize(folder, [Shown(str(path), list(QUESTIONS)) for path in photos], quiet)
    return {
        "ONNX float32": VQA.load(folder, runtime="onnx"),
        "ONNX int8": VQA.load(folder, runtime="onnx-int8"),
    }


def jpeg(seed: int) -> bytes:
    """A made-up 640 x 480 photo, as smooth as photos are."""
    rough = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(rough).resize((640, 480), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark_runtimes", description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    try:
        figures = runtimes(parser.parse_args().model)
    except InputError as error:
        print(f"python -m tools.benchmark_runtimes: {error}", file=sys.stderr)
        return 2
    shown = Table("what", f"{torch.get_num_threads()} threads of {torch.backends.cpu.get_cpu_capability()}")
    for name, value in figures.items():
        shown.add_row(name, f"{value:,.1f}")
    Console().print(shown)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
