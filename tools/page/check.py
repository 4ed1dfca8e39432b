"""Measure the page in Chromium as a first-time user meets it: `python -m tools.page.check` (requires Playwright).

It starts the app, opens the page, clicks an example and asks nine further questions. Printed are the seconds until the
page can be used and until the first answer, layout shift, bytes a question, and how many tasks of the main thread take
long, by processor time, which does not depend on what else the machine is doing.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from tools.page_numbers import chromium
from ui.app import serving
from ui.models import Models
from vqa.script import run

QUESTIONS = (
    "what is in the cup?",
    "what color is the cup?",
    "how many cups are there?",
    "is there a spoon?",
    "what is the table made of?",
    "is it raining?",
    "what is next to the cup?",
    "is there a person?",
    "what is this?",
)
LONG = 0.1  # seconds
SHIFTS = """window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach(
    (entry) => entry.hadRecentInput || (shift += entry.value))).observe({ type: 'layout-shift', buffered: true });"""


def measure(browser: Any, address: str) -> dict[str, Any]:
    """Use the page as the module says; what was measured, by its name."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.set_default_timeout(120_000)
    page.add_init_script(SHIFTS)
    browser.start_tracing(page=page, categories=["toplevel"])
    start = time.monotonic()
    page.goto(address)
    page.locator(".examples button").first.wait_for()
    usable = time.monotonic() - start
    page.get_by_role("button", name="a coffee").click()
    page.locator(".cards .bar").wait_for()
    answered = time.monotonic() - start
    page.locator(".sentence").wait_for()
    opening, sizes = tasks(browser.stop_tracing()), Counter[str]()
    page.on("requestfinished", lambda request: sizes.update(request.sizes()))
    browser.start_tracing(page=page, categories=["toplevel"])
    for number, question in enumerate(QUESTIONS, start=1):
        page.locator("#question").fill(question)
        page.locator("#question").press("Enter")
        page.locator(".cards .bar").nth(number).wait_for()
        page.wait_for_timeout(300)
    return {
        "seconds until the page can be used": round(usable, 1),
        "seconds until the first answer": round(answered, 1),
        "layout shift": round(page.evaluate("shift"), 4),
        **{
            f"bytes that a further question {verb}, with headers": sum(
                size for name, size in sizes.items() if name.startswith(kind)
            )
            // len(QUESTIONS)
            for verb, kind in (("sends", "request"), ("receives", "response"))
        },
        "opening": opening,
        "asking": tasks(browser.stop_tracing()),
    }


def tasks(trace: bytes) -> list[float]:
    """The seconds of processor time of each task of the page's main thread, the longest first."""
    events = json.loads(trace)["traceEvents"]
    page = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["args"].get("name") == "CrRendererMain"}
    lengths = {
        (e["pid"], e["ts"]): e.get("tdur", 0) / 1e6
        for e in events
        if e["ph"] == "X" and "RunTask" in e["name"] and (e["pid"], e["tid"]) in page
    }
    return sorted(lengths.values(), reverse=True)


def report(found: dict[str, Any]) -> None:
    """Print what `measure` found."""
    for name, value in found.items():
        if isinstance(value, list):
            long = sum(seconds > LONG for seconds in value)
            longest = ", ".join(f"{1000 * seconds:.0f}" for seconds in value[:3])
            value = f"{long} tasks over {1000 * LONG:.0f} ms; the longest {longest} ms; all {sum(value):.1f} s"
        print(f"{name}: {value}")


def check(address: str | None) -> None:
    """Start the app unless one is open at `address`, measure, and print."""
    with ExitStack() as stack:
        if address is None:
            models = Models()
            address = stack.enter_context(serving(models, port=7863)).address
            models.load()
            models.load_further()
        report(measure(stack.enter_context(chromium()), address))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.page.check", description=__doc__.split(":")[0])
    parser.add_argument("--address", metavar="URL", help="of an app that is open (default: start one)")
    return run(parser, lambda given: check(given.address), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
