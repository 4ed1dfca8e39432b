"""Measure the page without a server in a real Chromium: bytes, times and memory.

python -m tools.page_speed --site SITE --images DIR [--mbit 20]

The times are those of the page's own interface, `about(photo, "ask", question)`, in one run; the memory is that of the
page's process (proportional set size), after so many photos.
"""

import argparse
import base64
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.page_numbers import chromium, served
from vqa.model.errors import InputError
from vqa.model.photos import SUFFIXES
from vqa.script import run

QUESTION = "what is on the table?"
ASK = """async ([name, content, question]) => {
  const server = await import(new URL("api/server.js", document.baseURI));
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
  const start = performance.now();
  await server.about({ id: name, file: new Blob([bytes]) }, "ask", question);
  return performance.now() - start;
}"""

REST = """async () => {
  const server = await import(new URL("api/server.js", document.baseURI));
  await server.call("complete", "what", 1);
  while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 200));
}"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.page_speed", description=__doc__.split("\n")[0])
    parser.add_argument("--site", required=True, type=Path, help="what vqa export-page wrote")
    parser.add_argument("--images", required=True, type=Path, help="a folder of photos")
    parser.add_argument("--photos", type=int, default=100, help="how many to ask about (default: 100)")
    parser.add_argument("--mbit", type=float, default=20, help="of the throttled line (default: 20)")
    return run(parser, lambda given: measure(**vars(given)), arguments)


def show(name: str, value: Any) -> None:
    print(f"{name}: {value:.1f}" if isinstance(value, float) else f"{name}: {value}", flush=True)


def measure(site: Path, images: Path, photos: int, mbit: float) -> None:
    """Print the figures: times in milliseconds, memory and bytes in millions of bytes."""
    files = sorted(path for path in images.iterdir() if path.suffix.lower() in SUFFIXES)[:photos]
    if not files:
        raise InputError(f"There is no photo in {images}; name another folder.")
    contents = [(path.name, base64.b64encode(path.read_bytes()).decode()) for path in files]
    show("machine", f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with chromium() as browser:
        with served(site, mbit) as address:
            page = browser.new_page()
            show(f"first answer, {mbit:g} Mbit/s", first_answer(page, address, contents[0]))
            page.context.close()
        with served(site) as address:
            page = browser.new_page()
            show("first answer, no limit", first_answer(page, address, contents[0]))
            page.evaluate(REST)  # until captions and completions are loaded, too
            show("first visit, MB", sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / 1e6)
            page.reload()  # now the service worker answers
            show("first answer, from storage", first_answer(page, address, contents[0]))
            show("threads", page.evaluate("crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 4) : 1"))
            new = [page.evaluate(ASK, [*photo, QUESTION]) for photo in contents[1:]]
            show(f"memory after {len(contents)} photos, MB", memory(browser))
            again = [page.evaluate(ASK, [*contents[-1], QUESTION]) for _ in range(100)]
            show("new photo and question", sorted(new)[len(new) // 2])
            show("next question", sorted(again)[len(again) // 2])
            show(f"memory after {len(again)} further questions, MB", memory(browser))


def first_answer(page: Any, address: str, photo: tuple[str, str]) -> float:
    """From the start of the navigation to the answer."""
    page.set_default_timeout(600_000)
    start = time.perf_counter()
    page.goto(address)
    page.evaluate(ASK, [*photo, QUESTION])
    return 1000 * (time.perf_counter() - start)


def memory(browser: Any) -> float:
    """The proportional set size of the largest renderer, as the others belong to no page of ours."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = []
    for process in processes:
        rollup = Path("/proc", str(process["id"]), "smaps_rollup")
        if process["type"] == "renderer" and rollup.is_file():
            (line,) = [line for line in rollup.read_text().splitlines() if line.startswith("Pss:")]
            sizes.append(int(line.split()[1]) * 1024 / 1e6)
    return max(sizes)


if __name__ == "__main__":
    raise SystemExit(main())
