"""Watch the app's memory over many sessions: `python -m tools.page.sessions`.

Each session asks what is being loaded, as every page does when it is opened; every 25th also uploads a photo and asks
about it. The resident memory of this process, client included, is printed twenty times.
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any

import ui.hosting.quick_import  # noqa: F401

# isort: split
import httpx
import psutil

from ui.app import serving
from ui.models import Models
from ui.stage.examples import examples
from vqa.script import run

ASKING = 25  # one session in so many asks about a photo


def call(http: httpx.Client, name: str, session: str, *data: Any) -> Any:
    """Call a function of the app in a session, and return its result."""
    event = http.post(f"gradio_api/call/{name}", json={"data": list(data), "session_hash": session}).json()["event_id"]
    answer = http.get(f"gradio_api/call/{name}/{event}").text
    return json.loads(answer.split("event: complete\ndata: ")[1].split("\n")[0])[0]


def visit(http: httpx.Client, number: int) -> None:
    session = f"session-{number}"
    call(http, "complete", session, "what", 1)
    if number % ASKING:
        return
    example = examples()[number // ASKING % len(examples())]
    (path,) = http.post("gradio_api/upload", files={"files": (example.photo.name, example.photo.read_bytes())}).json()
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert call(http, "ask", session, photo, example.questions[0])["answer"]


def measure(sessions: int, model: str | None) -> None:
    """Open the app, let so many sessions visit it, and print the memory on the way."""
    models = Models(model)
    models.load()
    process = psutil.Process()
    with serving(models, port=7864) as front, httpx.Client(base_url=front.address, timeout=120) as http:
        for number in range(sessions + 1):
            visit(http, number)
            if number % max(1, sessions // 20) == 0:
                print(f"{number:6,} sessions: {process.memory_info().rss / 2**20:,.0f} MB", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.page.sessions", description=__doc__.split(":")[0])
    parser.add_argument("--sessions", type=int, default=5000)
    parser.add_argument("--model", help="a checkpoint's folder (default: the bundled model)")
    return run(parser, lambda given: measure(given.sessions, given.model), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
