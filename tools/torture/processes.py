"""Runs that are killed at random moments and continued, and an app that is called badly."""

import asyncio
import hashlib
import io
import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import httpx

from tools.torture.damage import ODD, QUESTIONS

RUN = """
data: {{train: [{world}/questions.jsonl], images: [{world}/photos], holdout: 0.2, validation_share: 0.2}}
model: {{backbone: tiny, pretrained: null, image_size: 64, embedding_size: 8, hidden_size: 16, attention_size: 16,
  fusion_size: 16, blind_size: 8, image_only_size: 8}}
optim: {{epochs: 3, head_epochs: 2, batch_size: 32, rate: 0.01, encoder_rate: 1.0}}
"""
Command = Callable[[list[str]], int]


def kill_commands(count: int, checkpoint: Path, folder: Path, draw: random.Random) -> tuple[int, list[str]]:
    """Kill `train.fit`, `train.extract_features` and `vqa evaluate` in turn, `count` times in all; each is continued
    after its kill, and its files are compared with those of an unbroken one. Returns how many kills hit a running
    command, and what failed."""
    from train import extract_features, fit
    from train.fitting.state import has_state
    from vqa import cli
    from vqa.data.world import write_world

    world = write_world(folder / "world", 60, seed=5, questions_per_scene=4, workers=1).parent
    (world / "run.yaml").write_text(RUN.format(world=world))
    data = ["--data", f"{world}/questions.jsonl", "--images", f"{world}/photos"]
    images = ["--images", f"{world}/photos", "--pretrained", str(checkpoint), "--backbone=tiny", "--image-size=64"]
    commands: dict[str, tuple[Command, list[str], tuple[str, ...]]] = {
        "fit": (fit.main, [f"--config={world}/run.yaml"], ("best/model.safetensors", "best/config.json")),
        "extract": (extract_features.main, [*images, "--batch-size=4"], ("grids.bin", "index.jsonl")),
        "evaluate": (cli.main, ["evaluate", *data, "--model", str(checkpoint), "--batch-size=4"], ("records.jsonl",)),
    }
    hit, failures, wholes = 0, [], {}
    for name, (command, arguments, files) in commands.items():
        start = time.perf_counter()
        rc = wait(fork(command, [*arguments, "--output", str(folder / name)]))
        wholes[name] = time.perf_counter() - start, digest(folder / name, files)
        if rc != 0:
            failures.append(f"{name} alone ended with {rc}")
    for number in range(count):
        name = list(commands)[number % len(commands)]
        (command, arguments, files), (seconds, whole) = commands[name], wholes[name]
        output = folder / f"{name}-{number}"
        process = fork(command, [*arguments, "--output", str(output)])
        time.sleep(seconds * draw.uniform(0.05, 0.95))
        os.kill(process, signal.SIGKILL)
        hit += wait(process) == -signal.SIGKILL
        if digest(output, files) != whole or name != "fit":
            resume = ["--resume"] if name == "fit" and has_state(output / "last") else []
            rc = wait(fork(command, [*arguments, "--output", str(output), *resume]))
            if rc != 0 or digest(output, files) != whole:
                failures.append(f"kill {number} of {name}: ended with {rc}, or with other files")
    return hit, failures


def fork(command: Command, arguments: list[str]) -> int:
    """Run a command in a copy of this process, which has imported everything, and return its number."""
    if (process := os.fork()) == 0:
        rc = 99
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                rc = command(arguments)
        finally:
            os._exit(rc)
    return process


def wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def digest(folder: Path, files: tuple[str, ...]) -> str:
    """A hash of these files, without seconds; what is missing counts as empty."""
    contents = [(folder / name).read_bytes() if (folder / name).is_file() else b"" for name in files]
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def call_badly(count: int, checkpoint: Path, draw: random.Random) -> tuple[float, list[str]]:
    """Send `count` random calls, eight at a time, to an app; each must be answered or refused in a sentence. Returns
    the slowest call's seconds, and what failed; a traceback in the log counts."""
    from ui.app import serving
    from ui.models import Models

    models = Models(str(checkpoint), "cpu")
    models.load()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = io.StringIO()
    with redirect_stderr(log), serving(models, port=port) as front:
        return asyncio.run(_calls(count, front.address, draw, log))


async def _calls(count: int, address: str, draw: random.Random, log: io.StringIO) -> tuple[float, list[str]]:
    names = list(httpx.get(f"{address}gradio_api/info").json()["named_endpoints"])
    file = {"meta": {"_type": "gradio.FileData"}}
    paths = ["https://photos.example.org/x.jpg", "/etc/passwd", "", "a" * 5000, 7, None, ["x"]]
    odd = [*ODD, *QUESTIONS, *({"path": path} | file for path in paths), [[0, 1]] * 200, "a" * 10_000]
    odd = [value for value in odd if value == value and value not in (1e999, "\ud800")]  # which JSON cannot hold
    slowest, failures, left = 0.0, [], iter(range(count))

    async def client() -> None:
        nonlocal slowest
        async with httpx.AsyncClient(base_url=address, timeout=60) as http:
            for _ in left:
                name = draw.choice([*names, "/none", "/v2/ask"])
                values: Any = [draw.choice(odd) for _ in range(draw.randrange(6))]
                start = time.monotonic()
                try:
                    sent = await http.post(f"gradio_api/call{name}", json={"data": values})
                    answer = sent.text
                    if sent.status_code == 200:
                        answer = (await http.get(f"gradio_api/call{name}/{sent.json()['event_id']}")).text
                except (httpx.HTTPError, KeyError, ValueError) as error:
                    answer = f"lost: {error!r}"
                slowest = max(slowest, time.monotonic() - start)
                if answer.startswith("lost") or '"error": null' in answer or "Internal Server" in answer:
                    failures.append(f"{name} {json.dumps(values):.80}: {answer:.120}")

    await asyncio.gather(*(client() for _ in range(8)))
    failures += ["a traceback in the log"] * log.getvalue().count("Traceback")
    return slowest, failures
