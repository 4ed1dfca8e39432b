"""The whole page in a browser: accessible, nothing moves or scrolls away, little is sent."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import ImageColor

from tests.ui.browser import PHONE, WIDE, ZOOMED, ask, upload
from tests.ui.conftest import QUESTION

pytestmark = pytest.mark.browser
REACHES = "document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight"
SMALL = """(least) => [...document.querySelectorAll('.scene :is(button, a, summary, select, .choose)')]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }) && node.offsetWidth && !node.closest('.word'))
    .filter((node) => Math.min(node.offsetWidth, node.offsetHeight) < least).map((node) => node.outerHTML)"""
FOCUSED = "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
BELOW = "document.querySelector('.card[aria-current]').offsetTop - document.querySelector('.thread').scrollTop"
SHIFTS = """() => {
    window.shifts = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.shifts += entry.value)))
        .observe({ type: 'layout-shift' });
}"""


def violations(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


def within(box: dict, size: dict) -> bool:
    return box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_empty_and_answered_and_so_are_the_other_pages(opened, address, photo, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.reload()
    opened.locator(".examples button").first.wait_for()
    assert ("dark" in (opened.locator("html").get_attribute("class") or "")) == (scheme == "dark")
    for size in (PHONE, WIDE):
        opened.set_viewport_size(size)
        assert violations(opened) == []
    upload(opened, photo)
    ask(opened).locator("summary").first.click()
    for size in (PHONE, WIDE):
        opened.set_viewport_size(size)
        assert violations(opened) == []
    for path, part in (("learn", "#flow svg"), ("about", "#about h2")):
        opened.goto(f"{address}{path}")
        opened.locator(part).first.wait_for()
        opened.wait_for_timeout(500)  # until what fades in is opaque
        assert violations(opened) == []


def test_everything_fits_and_stays_in_place(opened, uploaded):
    opened.evaluate(SHIFTS)
    for size, least in ((WIDE, 24), (ZOOMED, 24), (PHONE, 40)):
        opened.set_viewport_size(size)
        ask(opened)
        assert opened.evaluate(REACHES), size
        for name in ("#question", ".picture", ".card[aria-current] .asked"):
            assert within(opened.locator(name).bounding_box(), size), (name, size)
        assert opened.evaluate(SMALL, least) == []
    stage = opened.locator(".stage").bounding_box()
    assert stage["height"] == pytest.approx(0.4 * PHONE["height"], abs=2)
    assert opened.evaluate("getComputedStyle(document.querySelector('#question')).fontSize") == "16px"
    opened.set_viewport_size(WIDE)
    opened.wait_for_timeout(100)
    opened.evaluate("window.shifts = 0")
    for _ in range(5):
        box = opened.locator("#question").bounding_box()
        ask(opened)
        assert opened.locator("#question").bounding_box() == box
        assert 0 <= opened.evaluate(BELOW) < 400  # the new answer is in sight
    assert opened.evaluate("window.shifts") < 0.05


def test_a_later_question_sends_little_and_nothing_of_earlier_ones(opened, uploaded):
    sent: list = []
    opened.on("requestfinished", lambda request: sent.append(request))
    sizes = []
    for _ in range(3):
        sent.clear()
        ask(opened)
        sizes.append(sum(request.sizes()["requestBodySize"] + request.sizes()["responseBodySize"] for request in sent))
    assert max(sizes) < 5000 and max(sizes) - min(sizes) < 100


def test_the_keyboard_alone_is_enough(opened):
    opened.locator(".examples button").last.focus()
    opened.keyboard.press("Enter")
    opened.locator(".cards .bar").wait_for()
    opened.keyboard.press("/")
    opened.keyboard.type(QUESTION)
    opened.keyboard.press("Enter")
    opened.locator(".cards .bar").nth(1).wait_for()
    reached = []
    for _ in range(6):
        opened.keyboard.press("Tab")
        reached.append(opened.evaluate(FOCUSED))
        outline = opened.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px", reached[-1]
    assert any(name.startswith("Plain") for name in reached), reached
    ring, ground = (
        opened.evaluate(f"getComputedStyle(document.querySelector('{name}')).getPropertyValue('{what}')")
        for name, what in ((".ask", "--ring"), (".ask", "background-color"))
    )
    assert contrast(ring, ground) >= 3


def contrast(*colours: str) -> float:
    """The contrast of two colours, by WCAG."""
    parts = np.array([ImageColor.getrgb(colour.strip()) for colour in colours]) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("size", [ZOOMED, {"width": 844, "height": 390}, {"width": 455, "height": 256}])
def test_every_example_can_be_reached_on_a_low_screen(opened, size):
    opened.set_viewport_size(size)
    for place in (opened.locator(".choose.first"), opened.locator(".examples button").last):
        place.scroll_into_view_if_needed()
        assert within(place.bounding_box(), size)


@pytest.mark.parametrize("size", [PHONE, {"width": 360, "height": 640}, {"width": 320, "height": 568}])
def test_a_photo_keeps_its_size_while_a_part_is_covered(opened, photo, size):
    opened.set_viewport_size(size)
    upload(opened, photo)
    before = opened.locator(".picture").bounding_box()
    opened.get_by_role("button", name="Cover").click()
    opened.get_by_role("button", name="Uncover").wait_for()
    assert opened.locator(".picture").bounding_box()["height"] >= before["height"] - 1 > 60
