"""The page without a server, in a real Chromium."""

import os
import re
import shutil
import struct
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.ui.browser import PHONE, ask, choose, drag, upload
from tests.ui.conftest import QUESTION
from tests.ui.in_browser.conftest import LETTERS
from tools.page_numbers import served
from tools.page_speed import memory
from vqa.captioning.describe import Describer
from vqa.evidence import occlusion, what_if
from vqa.language.complete import Completer
from vqa.predict import VQA

pytestmark = pytest.mark.browser
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 400, 300) + bytes(16)
ABOUT = """async ([content, name, ...values]) => {
  const server = await import(new URL("api/server.js", document.baseURI));
  return server.about({ id: "test", file: new Blob([Uint8Array.from(content)]) }, name, ...values);
}"""

# Ask about one photo so many times.
MANY = """async ([content, question, count]) => {
  const server = await import(new URL("api/server.js", document.baseURI));
  const photo = { id: "test", file: new Blob([Uint8Array.from(content)]) };
  for (let i = 0; i < count; i++) await server.about(photo, "ask", question);
}"""

# Until the browser has stored the answers about the photo that is shown.
KEPT = """async () => {
  const { read } = await import(new URL("thread/store.js", document.baseURI));
  const id = new URLSearchParams(location.search).get("photo");
  while (!(await read(id))?.turns.length) await new Promise((resolve) => setTimeout(resolve, 100));
}"""

CONTROLLED = """async () => {
  while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 100));
}"""


@pytest.fixture
def opened(page: Any, address: str) -> Any:
    """The page, open; at the end: no script has failed, and nothing went to another address."""
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    page.set_default_timeout(120_000)
    page.goto(address)
    page.locator(".examples button").first.wait_for()
    yield page
    assert errors == []
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def vqa(exported: Path) -> Any:
    """The same weights in Python."""
    return VQA.load(exported / "tiny", runtime="onnx-w8")


def test_it_gives_the_numbers_of_python(opened: Any, photo: Path, vqa: Any, exported: Path) -> None:
    content = list(photo.read_bytes())
    found, expected = opened.evaluate(ABOUT, [content, "ask", QUESTION]), vqa.ask(photo, QUESTION).to_dict()
    assert found.keys() == expected.keys() and found["answer"] == expected["answer"]
    for name in ("confidence", "photo_mattered"):
        assert found[name] == pytest.approx(expected[name], abs=1e-5)
    assert np.array(found["attention"]["maps"]) == pytest.approx(np.array(expected["attention"]["maps"]), abs=1e-5)
    for name in ("top", "words"):
        assert [row for one in found[name] for row in one.values()] == [
            pytest.approx(row, abs=1e-5) for one in expected[name] for row in one.values()
        ]

    mask = np.zeros((8, 8), int)
    mask[:4] = 1
    changed = opened.evaluate(ABOUT, [content, "what_if", QUESTION, mask.tolist()])
    after = what_if(vqa, np.asarray(vqa.square(photo)), QUESTION, mask).after
    assert changed["after"]["confidence"] == pytest.approx(after.confidence, abs=1e-5)
    falls = opened.evaluate(ABOUT, [content, "occlusion", QUESTION])
    assert np.array(falls["map"]) == pytest.approx(occlusion(vqa, np.asarray(vqa.square(photo)), QUESTION), abs=1e-5)
    places = np.array(opened.evaluate(ABOUT, [content, "evidence", QUESTION, "red"])["map"])
    assert places.shape == (8, 8) and np.isfinite(places).all() and places.any()

    ours: Any = VQA.load(exported / "tiny", "cpu", runtime="torch")
    caption = opened.evaluate(ABOUT, [content, "describe", 3, 0, 0])
    described = Describer.load(exported / "caption", ours).describe(photo)
    assert caption["text"] == described.text and caption["score"] == pytest.approx(described.score, abs=0.05)
    drawn = [opened.evaluate(ABOUT, [content, "describe", 3, 1, seed])["text"] for seed in (1, 2, 1)]
    assert drawn[0] == drawn[2]
    rest = opened.evaluate(ABOUT, [content, "complete", "what co", 3])
    completed = Completer.load(exported / "complete").complete("what co", 3)
    assert rest and all(one["text"].startswith("what co") and set(one["text"]) <= set(LETTERS) for one in rest)
    assert rest[0]["probability"] == pytest.approx(completed[0].probability, rel=0.1)


def test_the_second_visit_needs_no_network(opened: Any, address: str, photo: Path) -> None:
    upload(opened, photo)
    answer = ask(opened).locator(".answer").inner_text()
    opened.evaluate(CONTROLLED)
    opened.context.set_offline(True)
    opened.goto(address)
    opened.locator(".examples button").first.wait_for()
    assert opened.evaluate("crossOriginIsolated")  # the model may use several threads
    upload(opened, photo)
    assert ask(opened).locator(".answer").inner_text() == answer
    opened.locator(".sentence").wait_for()


def test_storage_that_is_cleared_is_filled_again(opened: Any, address: str, photo: Path) -> None:
    upload(opened, photo)
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
        page.evaluate(CONTROLLED)
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
    content = list(photo.read_bytes())
    sizes = []
    for _ in range(4):
        opened.evaluate(MANY, [content, QUESTION, 50])
        sizes.append(memory(opened.context.browser))
    growth = [after - before for before, after in pairwise(sizes)]
    assert min(growth) < 10  # of millions of bytes; what is never freed would grow each time


def test_marking_covering_and_explaining(opened: Any, photo: Path) -> None:
    upload(opened, photo)
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
        (large, "The photo has 8,001 x 8,000 pixels, more than 64,000,000; scale it down first."),
        (photo.read_bytes()[:200], "The photo is damaged or cut short; copy or save it again."),
        (HEIC, "The photo is not an image that this browser reads; save it as JPEG, PNG, WebP, BMP or GIF."),
        (b"no photo", "The photo is not an image that this browser reads; save it as JPEG, PNG, WebP, BMP or GIF."),
        (b"", "The photo is empty; copy or save it again."),
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
