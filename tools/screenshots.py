"""Take the screenshots of the app for the README: `python -m tools.screenshots` (requires Playwright and Chromium)."""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from tools.page_numbers import chromium
from ui.app import serving
from ui.models import Models
from vqa.model.photos import open_photo

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "screenshots"
WIDE, PHONE = ({"width": w, "height": h} for w, h in ((1366, 768), (390, 844)))
COFFEE = 1  # of the examples
PICTURES = (
    ("empty", WIDE, "light"),
    ("answered-light", WIDE, "light"),
    ("caption-dark", WIDE, "dark"),
    ("covered", WIDE, "light"),
    ("phone", PHONE, "light"),
    ("learn", WIDE, "light"),
)


def main() -> None:
    argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__).parse_args()
    models = Models()
    models.load()
    with serving(models, port=7862) as front, chromium() as browser:
        for name, size, scheme in PICTURES:
            window = browser.new_page(viewport=size, color_scheme=scheme, has_touch=size is PHONE)
            window.goto(front.address + ("learn" if name == "learn" else ""))
            use(window, name)
            picture = open_photo(window.screenshot())
            picture.save(FOLDER / f"{name}.webp", quality=80, method=6)
            print(f"{name}.webp: {picture.width} x {picture.height}")
            window.close()


def use(window: Any, name: str) -> None:
    """Do what the picture of this name is to display."""
    window.set_default_timeout(120_000)
    if name == "learn":
        window.locator("#flow svg").first.wait_for()
        window.locator("#read").click()
        window.locator("#cells .cell").first.wait_for()
    else:
        examples = window.locator(".examples button")
        examples.nth(COFFEE).wait_for()
        if name != "empty":
            examples.nth(COFFEE).click()
            window.locator(".cards .bar").wait_for()
            window.locator(".sentence").wait_for()
    if name == "caption-dark":
        window.locator(".word", has_text="coffee").click()
    if name == "answered-light":
        window.locator(".suggestions button").first.click()
        window.locator(".cards .bar").nth(1).wait_for()
    if name == "covered":
        window.get_by_role("button", name="Cover a part").click()
        box = window.locator("canvas.marks").bounding_box()
        window.mouse.move(box["x"] + 0.38 * box["width"], box["y"] + 0.3 * box["height"])
        window.mouse.down()
        window.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"], steps=10)
        window.mouse.up()
        window.locator(".hidden-part").wait_for()
    window.wait_for_timeout(800)  # until transitions have ended
    window.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")


if __name__ == "__main__":
    main()
