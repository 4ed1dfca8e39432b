"""The stage in a browser: photos from everywhere, the heat on them, marking, covering and zooming."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.ui.browser import ask, choose, drag, drawn, upload

pytestmark = pytest.mark.browser


def test_an_example_answers_with_one_click_and_says_why(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an installed app is started anywhere
    opened.get_by_role("button", name="shapes").click()
    card = opened.locator(".cards .card")
    card.locator(".bar").wait_for()
    expect(opened.locator(".card .asked").nth(1)).to_have_text("how many objects are there?")
    assert opened.locator("img:visible").count() == 1  # the photo is there once
    assert re.search(r"\d%(: right (about|less|nearly)|, but answers)", card.inner_text())
    label = opened.locator("canvas.heat").get_attribute("aria-label")
    assert re.search(r": (the same everywhere|strongest at the (upper|lower|top|bottom|left|right|centre))", label)

    chip = card.get_by_role("group", name="Runners-up").locator("button").first
    chip.press("Enter")
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(opened.locator(".legend")).to_contain_text("speaks for")
    assert chip.evaluate("node => node === document.activeElement")  # it keeps the focus
    card.locator("summary").click()
    why = card.locator(".why")
    assert "Without the photo:" in why.inner_text() and "Answered in" in why.inner_text()
    assert "objects" in why.locator(".words").inner_text()
    requests: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    why.get_by_role("button", name="look 2").click()
    before = drawn(opened, "heat")
    why.get_by_role("button", name="look 1").click()
    assert drawn(opened, "heat") != before and requests == []  # drawn in the browser
    why.get_by_role("button", name="Cover each place").click()
    expect(opened.locator(".legend")).to_contain_text("covering lowers")
    assert re.search(r"Covering (the hottest|any one) place", why.inner_text())

    picture = opened.locator(".picture")
    opened.locator(".thread").click(position={"x": 3, "y": 3})
    opened.keyboard.down(" ")
    expect(picture).to_have_class(re.compile("plain"))
    opened.keyboard.up(" ")
    expect(picture).not_to_have_class(re.compile("plain"))
    width = picture.bounding_box()["width"]
    opened.get_by_role("button", name="zoom in").click()
    assert picture.bounding_box()["width"] > width


def test_a_part_is_asked_about_and_another_hidden(opened, uploaded):
    drag(opened, (0.2, 0.2), (0.6, 0.7))
    expect(opened.locator(".marked")).to_be_visible()
    assert opened.evaluate("document.activeElement.id") == "question"
    opened.get_by_role("button", name="what is this?").click()
    card = opened.locator(".cards .card")
    card.locator(".bar").wait_for()
    assert "about the marked part" in card.inner_text()
    expect(opened.locator(".marked")).to_be_hidden()
    areas = [opened.locator(name).bounding_box() for name in ("canvas.heat", "canvas.marks")]
    assert areas[0]["width"] / areas[1]["width"] == pytest.approx(0.4, abs=0.02)  # its heat lies on the part

    whole = ask(opened)
    opened.get_by_role("button", name="Cover a part").click()
    expect(opened.locator(".covered")).to_have_text("Nothing is covered.")
    drag(opened, (0.1, 0.1), (0.9, 0.1))
    opened.locator(".hidden-part").wait_for()
    share = opened.locator(".covered").inner_text()
    assert re.fullmatch(r"\d+% of the photo is covered\.", share) and share in whole.inner_text()
    assert re.search(r"\d% → \S.* \d+%: (the same|another) answer", whole.locator(".hidden-part").inner_text())
    whole.locator(".hidden-part summary").click()
    assert re.search(r"\S\d+\.\d points", whole.locator("table").inner_text())
    opened.get_by_role("button", name="Uncover").click()
    expect(whole.locator(".hidden-part")).to_have_count(0)
    marks = opened.locator("canvas.marks")
    for key in ("ArrowRight", " ", "ArrowDown", " "):
        marks.press(key)
    whole.locator(".hidden-part").wait_for()
    marks.press("Delete")
    expect(opened.locator(".covered")).to_have_text("Nothing is covered.")
    opened.get_by_role("button", name="New").click()
    opened.locator(".tray button").click()  # a single photo can be had back
    expect(opened.get_by_role("button", name="Cover a part")).to_have_attribute("aria-pressed", "false")
    expect(opened.locator(".cards .card")).to_have_count(2)


def test_covering_at_once_asks_a_single_question(opened, uploaded):
    opened.get_by_role("button", name="Cover a part").click()
    for height in (0.1, 0.3, 0.5):
        drag(opened, (0.1, height), (0.9, height))
    opened.locator(".hidden-part").wait_for()
    expect(opened.locator(".cards .asked")).to_have_text("what is this?")


def test_zooming_keeps_the_middle(opened, uploaded):
    for _ in range(3):
        opened.get_by_role("button", name="zoom in").click()
    frame = opened.locator(".frame")
    middle = """node => [(node.scrollLeft + node.clientWidth / 2) / node.scrollWidth,
        (node.scrollTop + node.clientHeight / 2) / node.scrollHeight]"""
    assert frame.evaluate(middle) == pytest.approx([0.5, 0.5], abs=0.02)
    frame.evaluate("node => node.scrollTo(0.6 * node.scrollWidth, 0.5 * node.scrollHeight)")
    before = frame.evaluate(middle)
    opened.get_by_role("button", name="zoom in").click()
    assert frame.evaluate(middle) == pytest.approx(before, abs=0.02)


def test_a_refused_photo_leaves_what_was_there(opened, photo, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"just some text")
    opened.route("**/upload", lambda route: opened.wait_for_timeout(300) or route.continue_())
    choose(opened, bad)
    expect(opened.locator(".notice")).to_contain_text("Opening bad.png …")
    expect(opened.locator(".notice")).to_contain_text("The photo is not a JPEG")
    assert opened.locator(".empty").is_visible() and opened.locator("img:visible").count() == 6
    upload(opened, photo)
    ask(opened)
    source = opened.locator(".picture img").get_attribute("src")
    choose(opened, bad)
    expect(opened.locator(".notice")).to_contain_text("The photo is not a JPEG")
    assert opened.locator(".picture img").get_attribute("src") == source
    assert opened.locator(".cards .card").count() == 1 and "Traceback" not in opened.locator("body").inner_text()
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(65 << 20)
    choose(opened, tmp_path / "huge.png")
    expect(opened.locator(".notice")).to_contain_text(re.compile("at most 64 MB"))

    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], loop=0)
    choose(opened, tmp_path / "moving.gif")
    expect(opened.locator(".notice")).to_contain_text("about its first frame")


CAMERA = """navigator.mediaDevices.getUserMedia = async (wanted) => {
    window.wanted = wanted;
    const canvas = Object.assign(document.createElement('canvas'), {width: 320, height: 240});
    const context = canvas.getContext('2d');
    const draw = (colour, x) => Object.assign(context, {fillStyle: colour}).fillRect(x, 0, 160, 240);
    setInterval(() => ['red', 'blue'].forEach((colour, i) => draw(colour, 160 * i)), 50);
    return canvas.captureStream();
};"""


def test_the_camera_s_picture_is_not_mirrored_and_a_drop_is_taken(opened, photo):
    opened.evaluate(CAMERA)
    opened.get_by_role("button", name="Take a photo").click()
    assert opened.locator("video").evaluate("node => getComputedStyle(node).transform") == "none"
    opened.get_by_role("button", name="Take the photo").click()
    opened.locator(".sentence").wait_for()
    assert opened.evaluate("window.wanted.video.facingMode") == "environment"
    shown = Image.open(io.BytesIO(opened.locator(".picture img").screenshot())).resize((8, 1))
    left, right = (np.array(shown)[0, place] for place in (1, 6))
    assert left[0] > 200 > right[0] and right[2] > 200 > left[2]

    data = opened.evaluate_handle(
        """(content) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(content)], 'dropped.png', {type: 'image/png'}));
            return transfer;
        }""",
        list(photo.read_bytes()),
    )
    opened.dispatch_event(".stage", "drop", {"dataTransfer": data})
    expect(opened.locator(".picture img")).to_have_js_property("naturalWidth", 160)
    assert not opened.locator("#question").evaluate(
        """question => {
            const transfer = new DataTransfer();
            transfer.setData('text/plain', 'what is this?');
            return !question.dispatchEvent(
                new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }"""
    )  # text falls into the question box


def test_several_photos_wait_in_a_row(opened, photo, tmp_path):
    red, blue, bad, worse = (tmp_path / f"{name}.png" for name in ("red", "blue", "bad", "worse"))
    for path in (red, blue):
        Image.new("RGB", (90, 60), path.stem).save(path)
    for path in (bad, worse):
        path.write_bytes(b"just some text")
    upload(opened, bad, photo, worse, red, blue)
    row = opened.locator(".tray button")
    for path in (bad, worse):
        expect(opened.locator(".notice")).to_contain_text(f"{path.name}: The photo is not a JPEG", timeout=30_000)
    expect(row).to_have_count(3)
    ask(opened)
    expect(row.nth(2).locator("canvas")).to_be_visible()
    row.nth(1).click()
    expect(row.nth(1)).to_have_attribute("aria-pressed", "true")
    opened.locator(".sentence").wait_for()
    assert opened.locator(".cards .card").count() == 0
    ask(opened, "is it red?")
    row.first.click()
    expect(opened.locator(".cards .asked")).to_have_text(["what is on the table?"])
    opened.reload()
    expect(opened.locator(".cards .bar")).to_have_count(1)
    expect(row).to_have_count(3)
    row.nth(1).click()
    expect(opened.locator(".cards .asked")).to_have_text(["is it red?"])
    opened.go_back()
    expect(opened.locator(".cards .card")).to_contain_text("what is on the table?")
    expect(row.first).to_have_attribute("aria-pressed", "true")
    choose(opened, bad)
    expect(opened.locator(".notice")).to_contain_text("The photo is not a JPEG")
    expect(row).to_have_count(3)
