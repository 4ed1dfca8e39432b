"""What the browser tests share: the page, open, and the steps that many of them take."""

from pathlib import Path
from typing import Any

from tests.ui.conftest import QUESTION

WIDE, ZOOMED, PHONE = ({"width": w, "height": h} for w, h in ((1366, 768), (683, 384), (390, 844)))


def choose(page: Any, *files: Path) -> None:
    page.locator("#choose").set_input_files(files)


def upload(page: Any, *photos: Path) -> None:
    """Choose photos, and wait until one was described."""
    choose(page, *photos)
    page.locator(".sentence").wait_for()


def ask(page: Any, *questions: str) -> Any:
    """Ask one after the other, wait for each answer, and return the card of the last."""
    for question in questions or (QUESTION,):
        count = page.locator(".cards .card").count()
        page.locator("#question").fill(question)
        page.locator("#question").press("Enter")
        card = page.locator(".cards .card").nth(count)
        card.locator(".bar, .failed").first.wait_for()
    return card


def drawn(page: Any, canvas: str) -> str:
    return page.locator(f"canvas.{canvas}").evaluate("canvas => canvas.toDataURL()")


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the mouse over the photo; places as shares of it."""
    box = page.locator("canvas.marks").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=5)
    page.mouse.up()
