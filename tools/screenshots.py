"""Take the screenshots of the app for the README: `python -m tools.screenshots` (requires Playwright and Chromium)."""

import os
import shutil
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from ui.app import open_page
from ui.models import Models
from ui.page import build_page
from vqa.model.photos import open_photo

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "screenshots"
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
COFFEE = 1  # of the examples


def main() -> None:
    from playwright.sync_api import sync_playwright

    models = Models()
    models.load()
    page = build_page(models)
    address = open_page(page, "127.0.0.1", 7862)
    FOLDER.mkdir(parents=True, exist_ok=True)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser: Any = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for name, size, scheme, tab in (
            ("ask-light", WIDE, "light", "Ask"),
            ("ask-dark", WIDE, "dark", "Ask"),
            ("ask-phone", PHONE, "light", "Ask"),
            ("what-if", WIDE, "light", "What if"),
            ("many-questions", WIDE, "light", "Many questions"),
            ("describe", WIDE, "light", "Describe"),
            ("compare", WIDE, "dark", "Compare"),
            ("about", WIDE, "light", "About"),
        ):
            window = browser.new_page(viewport=size, color_scheme=scheme)
            window.goto(address)
            use(window, tab)
            picture = open_photo(window.screenshot(full_page=True))
            picture.save(FOLDER / f"{name}.webp", quality=80, method=6)
            print(f"{name}.webp: {picture.width} x {picture.height}")
            window.close()
        browser.close()
    page.close(verbose=False)


def use(window: Any, tab: str) -> None:
    """Use a tab with an example's photo."""
    window.locator("#examples .gallery-item").nth(COFFEE).click()
    window.locator("#photo img").wait_for()
    window.locator("#chips button", has_text="cup").first.wait_for()
    if tab != "Ask":
        window.get_by_role("tab", name=tab).click()
    if tab == "What if":
        canvas = window.locator("canvas.paint")
        canvas.wait_for()
        box = canvas.bounding_box()
        window.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 0.3 * box["height"])
        window.mouse.down()
        window.mouse.move(box["x"] + 0.65 * box["width"], box["y"] + 0.35 * box["height"], steps=10)
        window.mouse.up()
    if tab == "Describe":
        window.locator("#describe").click()
        window.locator("#caption .chip", has_text="cup").click()
    elif tab != "About":
        window.locator("#chips button").first.click()
        window.locator(".glimpse .headline:visible").first.wait_for()
    if tab == "Many questions":
        window.locator("#chips button").nth(1).click()
        window.locator("#talk .turn").nth(1).wait_for()
    window.wait_for_timeout(800)  # until transitions of tab and button have ended
    window.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")


if __name__ == "__main__":
    main()
