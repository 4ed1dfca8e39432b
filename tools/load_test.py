"""Many people at once: `python -m tools.load_test` starts the app; clients ask it over HTTP as fast as they can.

Every answer is checked against the model's own; what is printed is how many came back, how many were lost or wrong, and
how long they took.
"""

import argparse
import asyncio
import json
import os
import time
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import httpx
import numpy as np

from ui.app import open_page
from ui.models import Models
from ui.page import build_page
from ui.question.examples import examples


async def client(
    address: str,
    number: int,
    until: float,
    expected: dict[tuple[str, str], str],
    seconds: list[float],
    failed: list[str],
) -> None:
    """Upload a photo, then ask about it again and again."""
    chosen = examples()[number % len(examples())]
    async with httpx.AsyncClient(base_url=address, timeout=120) as http:
        files = {"files": (chosen.photo.name, chosen.photo.read_bytes())}
        (path,) = (await http.post("gradio_api/upload", files=files)).json()
        photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
        asked = number
        while time.monotonic() < until:
            question = chosen.questions[asked % len(chosen.questions)]
            asked += 1
            start = time.monotonic()
            try:
                event = await http.post("gradio_api/call/ask", json={"data": [photo, question]})
                told = (await http.get(f"gradio_api/call/ask/{event.json()['event_id']}")).text
            except (httpx.HTTPError, KeyError, ValueError) as error:
                failed.append(f"lost: {error!r}")
                continue
            seconds.append(time.monotonic() - start)
            answer = answer_in(told)
            if answer != expected[chosen.photo.name, question]:
                failed.append(f"wrong: {answer!r} to {question!r}")


def answer_in(events: str) -> str | None:
    """The answer among the server's events; None if there is none."""
    for block in events.split("\n\n"):
        name, _, data = block.partition("\ndata: ")
        if name == "event: complete":
            return json.loads(data)[0]["answer"]
    return None


def load(clients: int, duration: float) -> dict[str, Any]:
    """What `clients` clients got in `duration` seconds."""
    models = Models()
    models.load()
    page = build_page(models)
    address = open_page(page, "127.0.0.1", 7861)
    vqa = models.get()
    expected = {(e.photo.name, q): vqa.ask(e.photo, q).text for e in examples() for q in e.questions}
    seconds: list[float] = []
    failed: list[str] = []

    async def all_of_them() -> None:
        until = time.monotonic() + duration
        await asyncio.gather(*(client(address, i, until, expected, seconds, failed) for i in range(clients)))

    start = time.monotonic()
    asyncio.run(all_of_them())
    wall = time.monotonic() - start
    page.close(verbose=False)
    p50, p95 = np.percentile(seconds, (50, 95))
    return {
        "clients": clients,
        "answers": len(seconds),
        "lost or wrong": len(failed),
        "examples of these": failed[:3],
        "answers/s": round(len(seconds) / wall, 1),
        "p50, s": round(float(p50), 2),
        "p95, s": round(float(p95), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.load_test", description="Many clients at once.")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    for name, value in load(arguments.clients, arguments.seconds).items():
        print(f"{name:18} {value}")


if __name__ == "__main__":
    main()
