"""The page without a server, in a real Chromium."""

import os
import re
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.ui.browser import PHONE, ask, choose, drag, upload
from tests.ui.conftest import QUESTION
from tests.ui.in_browser.conftest import LETTERS, near
from tools.page_numbers import served
from tools.page_speed import memory
from vqa.captioning.describe import Describer
from vqa.evidence import occlusion, what_if
from vqa.language.complete import Completer
from vqa.predict import VQA

pytestmark = pytest.mark.browser
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 400, 300) + bytes(16)
# Call a function about one photo so many times, for the last result.
ABOUT = """async ([content, count, ...values]) => {
  const server = await import(new URL("api/server.js", document.baseURI));
  const photo = { id: "test", file: new Blob([Uint8Array.from(content)]) };
  for (let i = 1; i < count; i++) await server.about(photo, ...values);
  return server.about(photo, ...values);
}"""

# Until the browser has stored the answers about the photo that is shown.
KEPT = """async () => {
  const { read } = await import(new URL("thread/store.js", document.baseURI));
  const id = new URLSearchParams(location.search).get("photo");
  while (!(await read(id))?.turns.length) await new Promise((resolve) => setTimeout(resolve, 100));
}"""

CONTROLLED = "() => navigator.serviceWorker.controller !== null"


@pytest.fixture(scope="module")
def vqa(exported: Path) -> Any:
    """The same weights in Python."""
    return VQA.load(exported / "tiny", runtime="onnx-w8")


def test_it_gives_the_numbers_of_python(opened: Any, photo: Path, vqa: Any, exported: Path) -> None:
    def about(*values: Any) -> Any:
        return opened.evaluate(ABOUT, [list(photo.read_bytes()), 1, *values])

    expected, square = vqa.ask(photo, QUESTION).to_dict(), np.asarray(vqa.square(photo))
    assert about("ask", QUESTION) == near(expected, 1e-5) | {"seconds": ANY, "model": "tiny"}
    mask = np.zeros((8, 8), int)
    mask[:4] = 1
    after = what_if(vqa, square, QUESTION, mask).after
    changed = about("what_if", QUESTION, mask.tolist())
    assert changed["after"]["confidence"] == pytest.approx(after.confidence, abs=1e-5)
    falls = about("occlusion", QUESTION)["map"]
    assert np.array(falls) == pytest.approx(occlusion(vqa, square, QUESTION), abs=1e-5)
    places = np.array(about("evidence", QUESTION, "red")["map"])
    assert places.shape == (8, 8) and np.isfinite(places).all() and places.any()

    ours: Any = VQA.load(exported / "tiny", "cpu", runtime="torch")
    caption = about("describe", 3, 0, 0)
    described = Describer.load(exported / "caption", ours).describe(photo)
    assert caption["text"] == described.text and caption["score"] == pytest.approx(described.score, abs=0.05)
    assert about("describe", 3, 1, 1)["text"] == about("describe", 3, 1, 1)["text"]  # the same seed
    rest = about("complete", "what co", 3)
    completed = Completer.load(exported / "complete").complete("what co", 3)
    assert rest and all(one["text"].startswith("what co") and set(one["text"]) <= set(LETTERS) for one in rest)
    assert rest[0]["probability"] == pytest.approx(completed[0].probability, rel=0.1)


def test_the_second_visit_needs_no_network(opened: Any, uploaded: None, address: str, photo: Path) -> None:
    answer = ask(opened).locator(".answer").inner_text()
    opened.wait_for_function(CONTROLLED)
    opened.context.set_offline(True)
    opened.goto(address)
    upload(opened, photo)
    assert opened.evaluate("crossOriginIsolated")  # the model may use several threads
    assert ask(opened).locator(".answer").inner_text() == answer


def test_storage_that_is_cleared_is_filled_again(opened: Any, uploaded: None, address: str) -> None:
    clear = {"origin": "/".join(address.split("/")[:3]), "storageTypes": "all"}
    opened.context.new_cdp_session(opened).send("Storage.clearDataForOrigin", clear)
    answer = ask(opened).locator(".answer").inner_text()
    opened.evaluate(KEPT)
    opened.reload()
    assert opened.locator(".cards .answer").first.inner_text() == answer


def test_a_wrong_file_is_not_stored_and_other_pages_are_left_alone(page: Any, site: Path, tmp_path: Path) -> None:
    root = shutil.copytree(site, tmp_path / "root")
    (root / "other").mkdir()
    (root / "other" / "index.html").write_text("<title>Another page</title>")
    settings = root / "model" / "model.json"
    whole = settings.read_bytes()
    settings.write_bytes(b"<html>Log in to this network</html>")
    page.set_default_timeout(60_000)
    with served(root) as address:
        page.goto(f"{address}index.html")
        page.locator(".examples button").first.click()
        page.get_by_text("reload the page").first.wait_for()
        settings.write_bytes(whole)
        os.utime(settings, (0, 0))  # older than the login page
        page.goto(address)
        page.locator(".examples button").first.click()
        page.locator(".cards .bar").first.wait_for()
        page.wait_for_function(CONTROLLED)
        page.goto(f"{address}other/")
        assert page.title() == "Another page"


def test_without_a_storage_it_answers(page: Any, address: str, photo: Path) -> None:
    page.set_default_timeout(60_000)
    page.add_init_script(
        """indexedDB.open = () => { throw new Error("denied"); };
        Object.defineProperty(navigator, "serviceWorker", { get() { throw new Error("denied"); } });"""
    )
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    upload(page, photo)
    ask(page)
    assert errors == []


def test_a_hundred_questions_take_no_memory(opened: Any, photo: Path) -> None:
    sizes = []
    for _ in range(4):
        opened.evaluate(ABOUT, [list(photo.read_bytes()), 50, "ask", QUESTION])
        sizes.append(memory(opened.context.browser))
    assert min(np.diff(sizes)) < 10  # of millions of bytes; what is never freed would grow each time


def test_marking_covering_and_explaining(opened: Any, uploaded: None) -> None:
    card = ask(opened)
    card.locator(".chip").first.click()
    opened.locator(".place", has_text="speaks for").wait_for()
    card.locator("summary", has_text="Why?").click()
    card.get_by_text("Without the photo").wait_for()
    card.locator("button", has_text="Cover each place").click()
    card.get_by_text(re.compile("Covering (any one|the hottest) place")).wait_for()
    drag(opened, (0.1, 0.1), (0.7, 0.8))
    assert "about the marked part" in ask(opened, "what color is it?").inner_text()
    opened.get_by_role("button", name="Cover a part").click()
    drag(opened, (0.2, 0.2), (0.8, 0.3))
    opened.locator(".hidden-part").wait_for()
    with opened.expect_download() as saved:
        opened.get_by_role("button", name="Picture").click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")


def test_on_a_phone_with_a_keyboard_and_for_everybody(opened: Any, photo: Path) -> None:
    opened.set_viewport_size(PHONE)
    empty = Axe().run(opened)
    assert empty.violations_count == 0, empty.generate_report()
    upload(opened, photo)
    opened.keyboard.press("/")
    opened.keyboard.type(QUESTION)
    opened.keyboard.press("Enter")
    opened.locator(".cards .bar").wait_for()
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    answered = Axe().run(opened)
    assert answered.violations_count == 0, answered.generate_report()


def test_photos_that_cannot_be_read_are_refused_in_a_sentence(opened: Any, photo: Path, tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 8001, 8000, 8, 2, 0, 0, 0)
    large = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    notice = opened.locator(".notice")
    for content, sentence in (
        (large, "The photo has 8,001 x 8,000 pixels, more than 64,000,000"),
        (photo.read_bytes()[:200], "The photo is damaged or cut short"),
        (HEIC, "The photo is not an image that this browser reads"),
        (b"no photo", "The photo is not an image that this browser reads"),
        (b"", "The photo is empty"),
    ):
        file = tmp_path / "refused.png"
        file.write_bytes(content)
        choose(opened, file)
        notice.get_by_text(sentence).wait_for()
    upload(opened, photo)
    assert ask(opened).locator(".bar").is_visible()


def test_a_damaged_part_is_reported(page: Any, address: str, photo: Path) -> None:
    page.route("**/question_weights-*", lambda route: route.fulfill(body=b"damaged"))
    page.goto(address)
    choose(page, photo)
    page.locator(".notice").get_by_text("A part of the model is missing or damaged").wait_for(timeout=120_000)


def test_a_page_without_its_settings_says_so(page: Any, address: str) -> None:
    page.route("**/page.json", lambda route: route.abort())
    page.goto(address)
    page.get_by_text("The page cannot be loaded").wait_for()


def test_a_worker_that_did_not_start_is_started_again(page: Any, address: str, photo: Path) -> None:
    page.route("**/browser/worker.js", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        page.goto(address)
    page.locator(".loading progress").wait_for(state="detached")
    choose(page, photo)
    page.locator(".sentence").wait_for(timeout=120_000)
