"""Load the app with many clients at the same time: `python -m tools.load_test` starts it and asks over HTTP.

Every answer is compared with the model's own. Printed are the number of answers, of lost or wrong ones, and how long
they took.
"""

import argparse
import asyncio
import base64
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import httpx
import numpy as np

from ui.app import serving
from ui.models import Models
from ui.stage.examples import examples
from vqa.script import run

Answers = dict[tuple[str, str], str]  # by photo and question
uploads: dict[Path, str] = {}  # their hashes
Asking = Callable[[httpx.AsyncClient, Path, str], Awaitable[str | None]]


async def load(
    address: str, ask: Asking, expected: Answers, clients: int, duration: float
) -> tuple[list[float], list[str], float]:
    """Let so many clients ask the app at `address` for `duration` seconds.

    Returns the seconds of each answer, a message for each that was lost or wrong, and how long all took.
    """
    seconds: list[float] = []
    failures: list[str] = []
    start = time.monotonic()

    async def client(number: int) -> None:
        """Ask about a photo again and again."""
        example = examples()[number % len(examples())]
        while (asked := time.monotonic()) < start + duration:
            number += 1
            question = example.questions[number % len(example.questions)]
            try:
                answer = await ask(http, example.photo, question)
            except (httpx.HTTPError, KeyError, ValueError) as error:
                failures.append(f"lost: {error!r}")
                continue
            seconds.append(time.monotonic() - asked)
            if answer != expected[example.photo.name, question]:
                failures.append(f"wrong: {answer!r} to {question!r}")

    async with httpx.AsyncClient(base_url=address, timeout=120) as http:
        await asyncio.gather(*map(client, range(clients)))
    return seconds, failures, time.monotonic() - start


async def ask_page(http: httpx.AsyncClient, photo: Path, question: str) -> str | None:
    """As the page: upload the photo once, then call `ask`."""
    if photo not in uploads:
        kind = {"Content-Type": "application/octet-stream"}
        uploads[photo] = (await http.post("glimpse/upload", content=photo.read_bytes(), headers=kind)).json()["result"]
    sent = await http.post("glimpse/call/ask", json={"photo": uploads[photo], "data": [question]})
    return sent.json()["result"]["answer"]


async def ask_chat(http: httpx.AsyncClient, photo: Path, question: str) -> str | None:
    """As a chat client, with the photo in each call."""
    url = f"data:image/webp;base64,{base64.b64encode(photo.read_bytes()).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]
    answer = await http.post("v1/chat/completions", json={"messages": [{"role": "user", "content": content}]})
    return answer.json()["choices"][0]["message"]["content"]


def measure(clients: int, duration: float, route: str) -> None:
    """Start the app, load it, and print what the clients received."""
    models = Models()
    models.load()
    vqa = models.get()
    expected = {(e.photo.name, q): vqa.ask(e.photo, q).text for e in examples() for q in e.questions}
    ask = ask_chat if route == "chat" else ask_page
    with serving(models, port=7861) as front:
        before = time.process_time()
        seconds, failures, wall = asyncio.run(load(front.address, ask, expected, clients, duration))
        cpu = time.process_time() - before
    print(f"{clients} clients: {len(seconds)} answers, {len(seconds) / wall:.1f} a second")
    print(f"{1000 * cpu / max(len(seconds), 1):.1f} ms of processor time for each, that of the clients included")
    if seconds:
        p50, p95 = np.percentile(seconds, (50, 95))
        print(f"half of them within {p50:.2f} s, 95% within {p95:.2f} s")
    print("\n".join([f"{len(failures)} lost or wrong", *failures[:3]]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.load_test", description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--route", choices=("page", "chat"), default="page")
    return run(parser, lambda given: measure(given.clients, given.seconds, given.route), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
