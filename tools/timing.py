"""What the benchmarks share: timing steps in turn, because the speed of a machine varies, and a random photo."""

import io
import platform
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

Figures = dict[str, float | str]


def seconds_in_turn(
    steps: Mapping[str, Callable[[], object]], rounds: int, calls: int = 1, least: float = 0.0
) -> dict[str, np.ndarray]:
    """Seconds per call `(R,)` of each step over R rounds, in every second round in reverse order.

    The first round warms up and is dropped. calls: how many in a row are timed together; least: seconds after which the
    last round may begin, where `rounds` are over earlier.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    begin, done = time.perf_counter(), 0
    while done <= rounds or time.perf_counter() - begin < least:
        for name in list(steps)[:: 1 if done % 2 == 0 else -1]:
            start = time.perf_counter()
            for _ in range(calls):
                steps[name]()
            seconds[name].append((time.perf_counter() - start) / calls)
        done += 1
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def median_seconds(step: Callable[[], object], rounds: int) -> float:
    """The median over `rounds` calls, after one that warms up."""
    return float(np.median(seconds_in_turn({"": step}, rounds)[""]))


def machine() -> str:
    """The processor by name, with the threads and the instructions that PyTorch uses."""
    try:
        name = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        name = None
    processor = name[1] if name else platform.processor() or platform.machine()
    return f"{processor}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def print_figures(figures: Figures) -> None:
    """A table in the terminal, headed by the machine."""
    table = Table("figure", machine())
    for name, value in figures.items():
        table.add_row(name, f"{value:,.1f}" if isinstance(value, float) else value)
    Console().print(table)


def jpeg(seed: int) -> bytes:
    """A random 640 x 480 photo, as smooth as photos are."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((640, 480), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()
