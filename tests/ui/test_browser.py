import json
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.ui.conftest import QUESTION

pytestmark = pytest.mark.browser
WIDE, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}


@pytest.fixture
def opened(page, address):
    """The page, open, in English and light; at the end: no script has failed, and nothing went to other machines."""
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.set_default_timeout(20_000)
    page.set_viewport_size(WIDE)
    page.goto(address)
    page.locator("#question textarea").wait_for()
    yield page
    assert failed == []
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def choose(page, photo: Path, good: bool = True) -> None:
    page.locator("#photo input[type=file]").first.set_input_files(photo)
    if good:  # it is there when its upload is done
        page.locator("#photo img").wait_for()


def ask(page, question: str = QUESTION) -> None:
    page.locator("#question textarea").fill(question)
    page.locator("#question textarea").press("Enter")


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def heat(page) -> list[int]:
    """The colour of the heat's middle pixel as it is seen, its opacity included."""
    return page.locator("#answer canvas.heat").evaluate(
        """canvas => {
            const at = canvas.width / 2;
            return [...canvas.getContext('2d').getImageData(at, at, 1, 1).data, getComputedStyle(canvas).opacity];
        }"""
    )


def test_ask_and_see_why(opened, photo):
    choose(opened, photo)
    ask(opened)
    opened.locator("#answer .headline").wait_for()
    told = opened.locator("#answer").inner_text()
    assert "Without looking:" in told and "% sure" in told
    assert opened.locator("#answer .bars li").count() == 5
    assert "table" in opened.locator("#answer .words").inner_text()
    label = opened.locator("#answer canvas.heat").get_attribute("aria-label")
    assert re.search(r": (the same everywhere|strongest at the (upper|lower|top|bottom|left|right|centre))", label)

    requests: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    before = heat(opened)
    pixels = opened.locator("#answer .stack").screenshot()
    opened.locator("#answer .strength").fill("100")
    assert heat(opened)[-1] != before[-1]
    assert opened.locator("#answer .stack").screenshot() != pixels
    opened.get_by_label("colours").first.select_option("viridis")
    assert heat(opened)[:3] != before[:3]
    opened.get_by_label("which map").first.select_option(index=1)
    assert "glimpse 1" in opened.locator("#answer figcaption").inner_text()
    assert requests == []  # all of that is drawn here

    opened.locator("#answer .bars button").nth(1).click()
    opened.locator("#answer .bars button[aria-pressed=true]").wait_for()
    assert "speaks for" in opened.locator("#answer figcaption").inner_text()


def test_paint_over_and_ask_again(opened, photo):
    choose(opened, photo)
    open_tab(opened, "What if")
    canvas = opened.locator("canvas.paint")
    canvas.wait_for()
    ask(opened)
    opened.locator("#painting .failed").wait_for()
    assert "Nothing is painted over" in opened.locator("#painting").inner_text()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    opened.mouse.move(box["x"] + 20, box["y"] + 20)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    opened.mouse.up()
    assert "of the photo is painted over" in opened.locator("#painting").inner_text()
    ask(opened)
    opened.locator("#painting table.changes").wait_for()
    assert opened.locator("#painting .headline").count() == 2
    assert re.search(r"\S\d+\.\d points", opened.locator("#painting table").inner_text())
    opened.locator("#cover").click()
    opened.locator("#covered .headline").wait_for()
    assert "covering lowers" in opened.locator("#covered figcaption").inner_text()


def test_an_answer_never_goes_to_a_tab_that_is_not_open(opened, photo):
    choose(opened, photo)
    open_tab(opened, "Compare")
    open_tab(opened, "About")
    ask(opened)
    opened.locator("#answer .headline").wait_for()
    assert opened.locator("#both .headline").count() == 0


def test_paint_with_the_keyboard(opened, photo):
    choose(opened, photo)
    open_tab(opened, "What if")
    canvas = opened.locator("canvas.paint")
    canvas.wait_for()
    canvas.focus()
    for key in (" ", "ArrowRight", "ArrowRight", " ", "ArrowDown", " "):
        canvas.press(key)
    assert re.search(r"[1-9]\d*% of the photo", opened.locator("#painting").inner_text())
    canvas.press("Delete")
    assert "Nothing is painted over yet" in opened.locator("#painting").inner_text()


def test_a_conversation_is_kept_and_saved(opened, photo, tmp_path):
    choose(opened, photo)
    open_tab(opened, "Many questions")
    for count, question in enumerate((QUESTION, "is it red?"), 1):
        ask(opened, question)
        opened.locator("#talk .turn").nth(count - 1).wait_for()
    assert opened.locator("#talk canvas.heat").count() == 2
    with opened.expect_download() as download:
        opened.locator("#as-json").click()
    download.value.save_as(tmp_path / "talk.json")
    turns = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))
    assert [turn["question"] for turn in turns] == [QUESTION, "is it red?"]
    assert all(turn["attention"]["maps"] for turn in turns)
    with opened.expect_download() as download:
        opened.locator("#as-picture").click()
    download.value.save_as(tmp_path / "talk.png")
    with Image.open(tmp_path / "talk.png") as picture:
        assert picture.height > 600
    opened.locator("#forget").click()
    opened.locator("#talk .turn").first.wait_for(state="detached")


def test_two_models_beside_each_other(opened, photo, models):
    choose(opened, photo)
    open_tab(opened, "Compare")
    second = opened.locator(".model input").nth(1)
    second.click()
    opened.get_by_role("option", name="bundled").click()
    ask(opened)
    opened.locator("#both .headline").nth(1).wait_for()
    articles = [opened.locator("#both article").nth(i) for i in (0, 1)]
    assert [article.locator("h3").inner_text() for article in articles] == [models.own, "bundled"]
    answers = [models.get(name).ask(photo, QUESTION).text for name in (models.own, "bundled")]
    assert answers[0] != answers[1]
    for article, answer in zip(articles, answers, strict=True):
        assert answer in article.locator(".headline").inner_text()
    boxes = [article.bounding_box() for article in articles]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]


def test_an_example_brings_questions_that_fit_it(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an installed app is started anywhere
    opened.locator("#examples .gallery-item").last.click()
    opened.locator("#photo img").wait_for()
    opened.get_by_role("button", name="is there a triangle?").wait_for()
    opened.get_by_role("button", name="is there a triangle?").click()
    opened.locator("#answer article, #answer .failed").first.wait_for()


def test_what_it_refuses_it_says_in_the_page(opened, photo, tmp_path):
    ask(opened)
    opened.locator("#answer .failed").wait_for()
    assert "There is no photo yet" in opened.locator("#answer").inner_text()

    bad = tmp_path / "bad.png"
    bad.write_bytes(b"just some text")
    choose(opened, bad, good=False)
    opened.get_by_text("The photo is not a JPEG").first.wait_for()

    opened.get_by_label("Clear").or_(opened.get_by_label("Remove Image")).first.click()
    choose(opened, photo)
    opened.locator("#photo img").wait_for()
    for question, sentence in (("", "The question is empty"), ("zyzzyva?", "knows none of the words")):
        ask(opened, question)
        opened.locator("#answer .failed", has_text=sentence).wait_for()
    assert len(opened.locator("#question textarea").get_attribute("maxlength")) == 3
    assert "Traceback" not in opened.locator("body").inner_text()


def test_what_people_and_models_say_is_no_html(opened, photo, vqa, monkeypatch):
    monkeypatch.setattr(vqa, "answers", [f"<b class=injected>{i}</b>" for i in range(5)])
    choose(opened, photo)
    for tab in ("Ask", "Many questions", "Compare"):
        open_tab(opened, tab)
        ask(opened, "<i class=injected>what</i> is on the table?")
        opened.locator(".glimpse .headline:visible").first.wait_for()
        assert "<b class=injected>" in opened.locator("#tabs").inner_text()
        assert opened.locator(".injected").count() == 0


def test_a_file_that_is_too_large_is_refused(opened, tmp_path):
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(65 << 20)
    choose(opened, huge, good=False)
    opened.get_by_text(re.compile("maximum|too large|exceed", re.IGNORECASE)).first.wait_for()


def test_with_the_keyboard_alone(opened, photo):
    choose(opened, photo)
    opened.locator("#photo img").wait_for()
    opened.locator("#question textarea").focus()
    opened.keyboard.type(QUESTION)
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.innerText") == "Ask"
    opened.keyboard.press("Enter")
    opened.locator("#answer .headline").wait_for()
    reached = set()
    for _ in range(40):
        opened.keyboard.press("Tab")
        reached.add(
            opened.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )
    assert {"which map", "colours", "how strong the heat is"} <= reached
    assert any("%" in text for text in reached)  # the best answers


def luminance(page, selector: str, what: str) -> float:
    colour = page.locator(selector).first.evaluate(f"node => getComputedStyle(node).{what}")
    r, g, b = (float(x) for x in re.findall(r"[\d.]+", colour)[:3])
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_and_a_phones_width(opened, photo, size, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size(size)
    opened.reload()
    choose(opened, photo)
    ask(opened)
    opened.locator("#answer .headline").wait_for()
    ground, ink = luminance(opened, "body", "backgroundColor"), luminance(opened, "#answer .headline", "color")
    assert (ground > ink) == (scheme == "light")
    assert abs(ground - ink) > 0.5
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    photo_box, answer_box = (opened.locator(name).bounding_box() for name in ("#photo", "#answer"))
    assert (answer_box["y"] > photo_box["y"] + photo_box["height"]) == (size is PHONE)


def test_look_inside(opened, photo):
    choose(opened, photo)
    opened.locator("#question textarea").fill(QUESTION)
    open_tab(opened, "Inside")
    opened.locator("#flow svg").wait_for()  # drawn when the tab opens
    opened.locator("#read").click()
    opened.locator("#cells .cell").first.wait_for()
    assert opened.locator("#cells .cell").all_inner_texts() == ["what", "is", "on", "the", "table"]
    assert opened.locator("#cells .strips tbody tr").count() == 6
    opened.locator("#unit input").fill("999")
    opened.locator("#read").click()
    opened.locator("#cells .failed").wait_for()
    assert "There is no unit 999" in opened.locator("#cells").inner_text()
    before = opened.locator("#flow").inner_html()
    opened.locator("#clip input").check()
    opened.locator("#flow", has_text="nothing to clip").wait_for()
    assert opened.locator("#flow").inner_html() != before
    opened.locator("#follow").click()
    opened.locator("#own-flow svg").wait_for()


def test_find_a_cell(opened):
    opened.locator("#question textarea").fill(QUESTION)
    open_tab(opened, "Inside")
    opened.locator("#reader input").click()
    opened.get_by_role("option", name="completes").click()
    opened.locator("#feature input").click()
    opened.get_by_role("option", name="vowel").click()
    opened.locator("#units tbody tr").first.wait_for(timeout=60_000)  # seconds, once
    button = opened.locator("#units button").nth(1)
    button.press("Enter")
    opened.locator("#unit-examples .marked").first.wait_for()
    assert opened.locator("#cells .cell").all_inner_texts() == list(QUESTION)
    layer, unit = (opened.locator(f"#{name} input").input_value() for name in ("layer", "unit"))
    assert re.search(rf" {unit} of layer {layer}$", button.inner_text())
    assert button.get_attribute("aria-pressed") == "true"


def test_a_question_is_completed_while_it_is_typed(opened):
    box = opened.locator("#question textarea")
    box.press_sequentially("how many peo")
    chip = opened.locator("#completions .chip", has_text="how many people")
    chip.first.wait_for()
    assert opened.locator("#completions .chip").count() == 3
    text = chip.first.inner_text()
    chip.first.click()
    opened.wait_for_function(f"document.querySelector('#question textarea').value === {json.dumps(text)}")


def test_a_mistyped_question_is_asked_as_it_was_meant(opened, photo):
    choose(opened, photo)
    ask(opened)
    opened.locator("#answer .headline").wait_for()
    assert opened.locator("#meant .chip").count() == 0  # all of its words are known
    ask(opened, "what is on teh tabel?")
    chip = opened.locator("#meant .chip")
    chip.wait_for()
    assert opened.locator("#meant").inner_text().split("\n") == ["Did you mean", QUESTION]
    assert "teh" in opened.locator("#answer .words").inner_text()
    chip.click()
    opened.wait_for_function(f"document.querySelector('#question textarea').value === {json.dumps(QUESTION)}")
    opened.locator("#answer .words", has_text="table").wait_for()
    assert opened.locator("#answer .words .unknown").count() == 0
    chip.wait_for(state="detached")

    open_tab(opened, "Inside")
    opened.locator("#question textarea").fill("waht is it?")
    opened.locator("#mend").click()
    picture = opened.locator("#alignment svg[role=img]")
    picture.wait_for()
    assert "How 'what is it?' (rows)" in picture.get_attribute("aria-label")
