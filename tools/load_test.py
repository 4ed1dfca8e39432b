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
from ui.question.examples import examples
from vqa.script import run


class Load:
    """Clients of the app at `address`; expected: the answer by photo and question.

    seconds: of each answer; failures: a message for each that was lost or wrong.
    """

    def __init__(self, address: str, expected: dict[tuple[str, str], str]):
        self.address, self.expected = address, expected
        self.seconds: list[float] = []
        self.failures: list[str] = []

    async def run(self, clients: int, duration: float) -> None:
        """Let so many clients ask for so many seconds."""
        until = time.monotonic() + duration
        await asyncio.gather(*(self.client(number, until) for number in range(clients)))

    async def client(self, number: int, until: float) -> None:
        """Upload a photo, then ask about it again and again."""
        example = examples()[number % len(examples())]
        async with httpx.AsyncClient(base_url=self.address, timeout=120) as http:
            files = {"files": (example.photo.name, example.photo.read_bytes())}
            (path,) = (await http.post("gradio_api/upload", files=files)).json()
            photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
            while time.monotonic() < until:
                number += 1
                question = example.questions[number % len(example.questions)]
                start = time.monotonic()
                try:
                    event = await http.post("gradio_api/call/ask", json={"data": [photo, question]})
                    events = await http.get(f"gradio_api/call/ask/{event.json()['event_id']}")
                except (httpx.HTTPError, KeyError, ValueError) as error:
                    self.failures.append(f"lost: {error!r}")
                    continue
                self.seconds.append(time.monotonic() - start)
                answer = answer_in(events.text)
                if answer != self.expected[example.photo.name, question]:
                    self.failures.append(f"wrong: {answer!r} to {question!r}")


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
    load = Load(address, {(e.photo.name, q): vqa.ask(e.photo, q).text for e in examples() for q in e.questions})
    start = time.monotonic()
    asyncio.run(load.run(clients, duration))
    wall = time.monotonic() - start
    page.close(verbose=False)
    p50, p95 = np.percentile(load.seconds, (50, 95))
    print(f"{clients} clients: {len(load.seconds)} answers, {len(load.seconds) / wall:.1f} a second")
    print(f"half of them within {p50:.2f} s, 95% within {p95:.2f} s")
    print("\n".join([f"{len(load.failures)} lost or wrong", *load.failures[:3]]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.load_test", description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    return run(parser, lambda given: measure(given.clients, given.seconds), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
