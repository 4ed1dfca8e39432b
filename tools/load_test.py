"""Load the app with many clients at the same time: `python -m tools.load_test` starts it and asks over HTTP.

Every answer is compared with the model's own. Printed are the number of answers, of lost or wrong ones, and how long
they took.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Sequence

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import httpx
import numpy as np

from ui.app import open_page
from ui.models import Models
from ui.page import build_page
from ui.stage.examples import examples
from vqa.script import run

Answers = dict[tuple[str, str], str]  # by photo and question


async def load(address: str, expected: Answers, clients: int, until: float) -> tuple[list[float], list[str]]:
    """Let so many clients ask the app at `address` until that time.

    Returns the seconds of each answer, and a message for each that was lost or wrong.
    """
    seconds: list[float] = []
    failures: list[str] = []

    async def client(number: int) -> None:
        """Upload a photo, then ask about it again and again."""
        example = examples()[number % len(examples())]
        async with httpx.AsyncClient(base_url=address, timeout=120) as http:
            files = {"files": (example.photo.name, example.photo.read_bytes())}
            (path,) = (await http.post("gradio_api/upload", files=files)).json()
            photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
            while (start := time.monotonic()) < until:
                number += 1
                question = example.questions[number % len(example.questions)]
                try:
                    event = await http.post("gradio_api/call/ask", json={"data": [photo, question]})
                    events = await http.get(f"gradio_api/call/ask/{event.json()['event_id']}")
                except (httpx.HTTPError, KeyError, ValueError) as error:
                    failures.append(f"lost: {error!r}")
                    continue
                seconds.append(time.monotonic() - start)
                answer = answer_in(events.text)
                if answer != expected[example.photo.name, question]:
                    failures.append(f"wrong: {answer!r} to {question!r}")

    await asyncio.gather(*map(client, range(clients)))
    return seconds, failures


def answer_in(events: str) -> str | None:
    """The answer among the server's events; None if there is none."""
    for block in events.split("\n\n"):
        name, _, data = block.partition("\ndata: ")
        if name == "event: complete":
            return json.loads(data)[0]["answer"]
    return None


def measure(clients: int, duration: float) -> None:
    """Start the app, load it, and print what the clients received."""
    models = Models()
    models.load()
    page = build_page(models)
    address = open_page(page, "127.0.0.1", 7861)
    vqa = models.get()
    expected = {(e.photo.name, q): vqa.ask(e.photo, q).text for e in examples() for q in e.questions}
    start = time.monotonic()
    seconds, failures = asyncio.run(load(address, expected, clients, start + duration))
    wall = time.monotonic() - start
    page.close(verbose=False)
    p50, p95 = np.percentile(seconds, (50, 95))
    print(f"{clients} clients: {len(seconds)} answers, {len(seconds) / wall:.1f} a second")
    print(f"half of them within {p50:.2f} s, 95% within {p95:.2f} s")
    print("\n".join([f"{len(failures)} lost or wrong", *failures[:3]]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.load_test", description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    return run(parser, lambda given: measure(given.clients, given.seconds), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
