"""Run the campaigns, and print for each how many were tried and how many failed: `python -m tools.torture --help`.

Everything is drawn from a seed. A failure is a traceback, an answer or a refusal that takes more than two seconds of
processor time, a lost call, or a file that differs after a kill.
"""

import argparse
import io
import random
import string
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from tools.torture.damage import QUESTIONS, damaged, file_kinds, save_tiny_model
from tools.torture.processes import call_badly, kill_commands
from vqa.model.errors import InputError
from vqa.model.photos import open_photo
from vqa.predict import VQA
from vqa.script import run

SECONDS = 2.0  # of processor time
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
ALPHABET = string.ascii_letters + string.punctuation + " \t\n\0\x1b\u200b\ud800\U0001f600äß日"
SIZES = {"photos": 10_000, "questions": 10_000, "files": 5_000, "calls": 5_000, "kills": 20, "soak": 20_000}


class Campaign:
    """Counts attempts: `with_input(function)` calls it and notes whether it worked, was refused, or failed."""

    def __init__(self, name: str):
        self.name, self.read, self.refused, self.slowest = name, 0, 0, 0.0
        self.failures: list[str] = []

    def attempt(self, function: Callable[[], object], what: str) -> None:
        start = time.thread_time()
        try:
            function()
            self.read += 1
        except InputError as error:
            self.refused += 1
            if "\n" in str(error):
                self.failures.append(f"{what}: several lines: {error}")
        except Exception as error:
            self.failures.append(f"{what}: {error!r:.200}")
        seconds = time.thread_time() - start
        self.slowest = max(self.slowest, seconds)
        if seconds > SECONDS:
            self.failures.append(f"{what}: {seconds:.1f} s")

    def report(self, further: str = "") -> int:
        tried = self.read + self.refused + len(self.failures)
        title = f"{self.name}: {tried:,} tried, {self.read:,} read, {self.refused:,} refused"
        return report(title, self.failures, f"slowest {self.slowest:.2f} s{further}")


def report(title: str, failures: list[str], *lines: str) -> int:
    """Print what was tried, further lines and the first failures, and return how many failures there are."""
    print(f"{title}, {len(failures):,} failed", *lines, *failures[:10], sep="\n  ", flush=True)
    return len(failures)


def photos(count: int, draw: random.Random) -> int:
    """Photos of every format and several modes with some bytes changed, or cut short."""
    campaign, noise = Campaign("photos"), np.random.default_rng(draw.randrange(1 << 30))
    wholes: list[tuple[str, bytes]] = []
    for format in FORMATS:
        for mode in ("RGB", "L", "P"):
            buffer = io.BytesIO()
            image = Image.fromarray(noise.integers(0, 256, (48, 64, 3), np.uint8)).convert(mode)
            options = {"progressive": draw.random() < 0.5} if format == "JPEG" else {}
            image.convert("RGB" if (format, mode) in {("JPEG", "P"), ("WEBP", "P")} else mode).save(
                buffer, format, **options
            )
            wholes.append((f"{format} {mode}", buffer.getvalue()))
    for number in range(count):
        name, whole = draw.choice(wholes)
        content = damaged(whole, draw)
        campaign.attempt(lambda c=content: open_photo(c, 32), f"{number} {name}")  # type: ignore[misc]
    return campaign.report()


def questions(count: int, vqa: VQA, draw: random.Random) -> int:
    """Random texts, and real questions with random characters in them."""
    campaign, look = Campaign("questions"), vqa.look(np.zeros((20, 20, 3), np.uint8))
    for number in range(count):
        noise = "".join(draw.choices(ALPHABET, k=draw.choice((0, 1, 3, 30, 400))))
        text = noise if draw.random() < 0.5 else draw.choice(QUESTIONS).replace(draw.choice("aeo "), noise[:3])
        campaign.attempt(lambda t=text: vqa.ask(look, t).to_dict(), f"{number} {text[:40]!r}")  # type: ignore[misc]
    return campaign.report()


def files(count: int, checkpoint: Path, folder: Path, draw: random.Random) -> int:
    """Checkpoints, stores, priors, results, states, records and settings, one file of which is damaged."""
    campaign, kinds = Campaign("files"), file_kinds(checkpoint, folder)
    for number in range(count):
        name = draw.choice(list(kinds))
        path, read = kinds[name]
        whole = path.read_bytes()
        path.write_bytes(damaged(whole, draw))
        campaign.attempt(read, f"{number} {name}")
        path.write_bytes(whole)
    return campaign.report()


def soak(count: int, vqa: VQA, draw: random.Random) -> int:
    """Questions about ever new photos; the memory after the first fifth is compared with that at the end."""
    campaign, noise, process = Campaign("soak"), np.random.default_rng(draw.randrange(1 << 30)), psutil.Process()
    before = 0
    for number in range(count):
        if number % 10 == 0:
            photo = noise.integers(0, 256, (120, 160, 3), np.uint8)
        campaign.attempt(lambda p=photo: vqa.ask(p, draw.choice(QUESTIONS)), str(number))  # type: ignore[misc]
        if number == count // 5:
            before = process.memory_info().rss
    grown = (process.memory_info().rss - before) / 1e6 if count else 0.0
    if grown > 100:
        campaign.failures.append(f"the memory grew by {grown:.0f} MB")
    return campaign.report(f"; the memory grew by {grown:.0f} MB")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.torture", description=__doc__.split("\n")[0])
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size, metavar="N", help=f"default: {size:,}; 0: none")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (default: 0)")
    return run(parser, torture, arguments)


def torture(given: argparse.Namespace) -> None:
    """All campaigns. Raises `InputError` if anything failed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        checkpoint = save_tiny_model(folder / "tiny")
        failed = 0
        if given.kills:  # before any thread is started, since processes are forked
            hit, failures = kill_commands(given.kills, checkpoint, folder / "kills", random.Random(given.seed))
            failed += report(f"kills: {given.kills:,} tried, {hit:,} hit a running command", failures)
        vqa = VQA.load(checkpoint, "cpu")
        assert isinstance(vqa, VQA)
        failed += photos(given.photos, random.Random(given.seed))
        failed += questions(given.questions, vqa, random.Random(given.seed))
        failed += files(given.files, checkpoint, folder / "files", random.Random(given.seed))
        failed += soak(given.soak, vqa, random.Random(given.seed))
        if given.calls:
            slowest, failures = call_badly(given.calls, checkpoint, random.Random(given.seed))
            failed += report(f"calls: {given.calls:,} tried", failures, f"slowest {slowest:.2f} s of the clock")
    if failed:
        raise InputError(f"{failed:,} attempts failed; the lines above name the first of each campaign.")


if __name__ == "__main__":
    sys.exit(main())
