"""What the browser tests share: the page, open, and the steps that many of them take."""

from pathlib import Path
from typing import Any

from tests.ui.conftest import QUESTION

WIDE, ZOOMED, PHONE = ({"width": w, "height": h} for w, h in ((1366, 768), (683, 384), (390, 844)))


def choose(page: Any, file: Path) -> None:
    page.locator("#choose").set_input_files(file)


def upload(page: Any, photo: Path) -> None:
    """Choose a photo, and wait until it was described."""
    choose(page, photo)
    page.locator(".sentence").wait_for()


def ask(page: Any, question: str = QUESTION) -> Any:
    """Ask, wait for the answer, and return its card."""
    count = page.locator(".cards .card").count()
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    card = page.locator(".cards .card").nth(count)
    card.locator(".bar, .failed").first.wait_for()
    return card


def heat(page: Any) -> list[int]:
    """The colours of the heat at its centre and in a corner."""
    return page.locator("canvas.heat").evaluate(
        """canvas => [canvas.width / 2, 5].flatMap(
            (at) => [...canvas.getContext('2d').getImageData(at, at, 1, 1).data])"""
    )


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the mouse over the photo; places as shares of it."""
    box = page.locator("canvas.marks").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=5)
    page.mouse.up()
