"""The page in a browser, in scenes: each opens it once and walks through what belongs together."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect
from skimage import data

from tests.ui.conftest import QUESTION

pytestmark = pytest.mark.browser
WIDE, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}


@pytest.fixture
def opened(page, address):
    """The page, open, in English and light; at the end: no script has failed, and nothing went to other machines."""
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    page.set_viewport_size(WIDE)
    page.goto(address)
    page.locator("#question textarea").wait_for()
    yield page
    assert errors == []
    assert len(requests) > 5
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


def choose(page, file: Path) -> None:
    page.locator("#photo input[type=file]").first.set_input_files(file)


def upload(page, photo: Path) -> None:
    choose(page, photo)
    page.locator("#photo img").wait_for()  # it is displayed when its upload is done


def ask(page, question: str = QUESTION) -> None:
    page.locator("#question textarea").fill(question)
    page.locator("#question textarea").press("Enter")


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def heat(page) -> list[int]:
    """The colour of the heat's middle pixel as it is rendered, its opacity included."""
    return page.locator("#answer canvas.heat").evaluate(
        """canvas => {
            const at = canvas.width / 2;
            return [...canvas.getContext('2d').getImageData(at, at, 1, 1).data, getComputedStyle(canvas).opacity];
        }"""
    )


def test_ask_and_see_why(opened, photo):
    upload(opened, photo)
    open_tab(opened, "Compare")
    open_tab(opened, "About")
    ask(opened)  # an answer never goes to a tab that is not open
    opened.locator("#answer .headline").wait_for()
    assert opened.locator("#both .headline").count() == 0
    text = opened.locator("#answer").inner_text()
    assert "Without looking:" in text and "% sure" in text
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
    assert requests == []  # all of that is drawn in the browser

    opened.locator("#answer .bars button").nth(1).click()
    opened.locator("#answer .bars button[aria-pressed=true]").wait_for()
    assert "speaks for" in opened.locator("#answer figcaption").inner_text()


def test_a_question_is_completed_and_repaired(opened, photo):
    upload(opened, photo)
    question, completions, repaired = (
        opened.locator(f"#{name}") for name in ("question textarea", "completions", "meant")
    )
    question.press_sequentially("how many peo")
    chip = completions.locator(".chip", has_text="how many people").first
    chip.wait_for()
    assert completions.locator(".chip").count() == 3
    text = chip.inner_text()
    chip.click()
    expect(question).to_have_value(text)

    ask(opened)
    opened.locator("#answer .headline").wait_for()
    assert repaired.locator(".chip").count() == 0  # all of its words are known
    ask(opened, "what is on teh tabel?")
    repaired.locator(".chip").wait_for()
    assert repaired.inner_text().split("\n") == ["Did you mean", QUESTION]
    expect(opened.locator("#answer .words")).to_contain_text("teh")
    repaired.locator(".chip").click()
    expect(question).to_have_value(QUESTION)
    opened.locator("#answer .words", has_text="table").wait_for()
    assert opened.locator("#answer .words .unknown").count() == 0
    repaired.locator(".chip").wait_for(state="detached")


def test_paint_over_and_ask_again(opened, photo):
    upload(opened, photo)
    open_tab(opened, "What if")
    canvas, painting = opened.locator("canvas.paint"), opened.locator("#painting")
    canvas.wait_for()
    canvas.focus()
    for key in (" ", "ArrowRight", "ArrowRight", " ", "ArrowDown", " "):
        canvas.press(key)
    assert re.search(r"[1-9]\d*% of the photo", painting.inner_text())
    canvas.press("Delete")
    assert "Nothing is painted over yet" in painting.inner_text()
    ask(opened)
    painting.locator(".failed").wait_for()
    assert "Nothing is painted over" in painting.inner_text()

    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    opened.mouse.move(box["x"] + 20, box["y"] + 20)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    opened.mouse.up()
    assert "of the photo is painted over" in painting.inner_text()
    ask(opened)
    painting.locator("table.changes").wait_for()
    assert painting.locator(".headline").count() == 2
    assert re.search(r"\S\d+\.\d points", painting.locator("table").inner_text())
    opened.locator("#cover").click()
    opened.locator("#covered .headline").wait_for()
    assert "covering lowers" in opened.locator("#covered figcaption").inner_text()


def test_a_conversation_and_two_models(opened, photo, models, tmp_path):
    upload(opened, photo)
    open_tab(opened, "Many questions")
    for count, question in enumerate((QUESTION, "is it red?"), 1):
        ask(opened, question)
        opened.locator("#talk .turn").nth(count - 1).wait_for()
    assert opened.locator("#talk canvas.heat").count() == 2
    for button, name in (("#as-json", "talk.json"), ("#as-picture", "talk.png")):
        with opened.expect_download() as download:
            opened.locator(button).click()
        download.value.save_as(tmp_path / name)
    turns = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))
    assert [turn["question"] for turn in turns] == [QUESTION, "is it red?"]
    assert all(turn["attention"]["maps"] for turn in turns)
    with Image.open(tmp_path / "talk.png") as picture:
        assert picture.height > 600
    opened.locator("#forget").click()
    opened.locator("#talk .turn").first.wait_for(state="detached")

    open_tab(opened, "Compare")
    opened.locator(".model input").nth(1).click()
    opened.get_by_role("option", name="bundled").click()
    ask(opened)
    opened.locator("#both .headline").nth(1).wait_for()
    articles = [opened.locator("#both article").nth(i) for i in (0, 1)]
    answers = [models.get(name).ask(photo, QUESTION).text for name in (models.own, "bundled")]
    assert answers[0] != answers[1]
    for article, name, answer in zip(articles, (models.own, "bundled"), answers, strict=True):
        assert article.locator("h3").inner_text() == name
        assert answer in article.locator(".headline").inner_text()
    boxes = [article.bounding_box() for article in articles]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]


def test_refusals_are_sentences_in_the_page(opened, photo, tmp_path):
    ask(opened)
    expect(opened.locator("#answer .failed")).to_contain_text("There is no photo yet")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"just some text")
    choose(opened, bad)
    opened.get_by_text("The photo is not a JPEG").first.wait_for()
    opened.get_by_label("Clear").or_(opened.get_by_label("Remove Image")).first.click()
    upload(opened, photo)
    for question, sentence in (("", "The question is empty"), ("zyzzyva?", "knows none of the words")):
        ask(opened, question)
        opened.locator("#answer .failed", has_text=sentence).wait_for()
    assert len(opened.locator("#question textarea").get_attribute("maxlength")) == 3
    assert "Traceback" not in opened.locator("body").inner_text()

    opened.reload()
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(65 << 20)
    choose(opened, tmp_path / "huge.png")
    opened.get_by_text(re.compile("maximum|too large|exceed", re.IGNORECASE)).first.wait_for()


def test_questions_and_answers_are_never_html(opened, photo, vqa, monkeypatch):
    monkeypatch.setattr(vqa, "answers", [f"<b class=injected>{i}</b>" for i in range(5)])
    upload(opened, photo)
    for tab in ("Ask", "Many questions", "Compare"):
        open_tab(opened, tab)
        ask(opened, "<i class=injected>what</i> is on the table?")
        opened.locator(".glimpse .headline:visible").first.wait_for()
        assert "<b class=injected>" in opened.locator("#tabs").inner_text()
        assert opened.locator(".injected").count() == 0


def test_an_example_and_the_keyboard_alone(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an installed app is started anywhere
    opened.locator("#examples .gallery-item").last.click()
    opened.locator("#photo img").wait_for()
    opened.get_by_role("button", name="is there a triangle?").click()
    opened.locator("#answer .question", has_text="triangle").wait_for()

    opened.locator("#question textarea").fill("")
    opened.locator("#question textarea").focus()
    opened.keyboard.type(QUESTION)
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.innerText") == "Ask"
    opened.keyboard.press("Enter")
    opened.locator("#answer .question", has_text=QUESTION).wait_for()
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


def test_light_and_dark_and_a_phones_width(opened, photo):
    for scheme, size in (("light", PHONE), ("dark", WIDE)):
        opened.emulate_media(color_scheme=scheme)
        opened.set_viewport_size(size)
        opened.reload()
        upload(opened, photo)
        ask(opened)
        opened.locator("#answer .headline").wait_for()
        ground, ink = luminance(opened, "body", "backgroundColor"), luminance(opened, "#answer .headline", "color")
        assert (ground > ink) == (scheme == "light")
        assert abs(ground - ink) > 0.5
        assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        photo_box, answer_box = (opened.locator(name).bounding_box() for name in ("#photo", "#answer"))
        assert (answer_box["y"] > photo_box["y"] + photo_box["height"]) == (size is PHONE)


def test_look_inside(opened, photo, monkeypatch):
    questions = [
        f"{start} the {colour} {noun}?"
        for start in ("what is", "is", "where are")
        for colour in ("red", "big")
        for noun in ("dog", "tables")
    ]
    monkeypatch.setattr("vqa.inside.questions.made_up_questions", lambda completer: questions)  # in place of hundreds
    upload(opened, photo)
    question = opened.locator("#question textarea")
    question.fill(QUESTION)
    open_tab(opened, "Inside")
    opened.locator("#flow svg").wait_for()  # drawn when the tab opens
    opened.locator("#read").click()
    expect(opened.locator("#cells .cell")).to_have_text(["what", "is", "on", "the", "table"])
    assert opened.locator("#cells .strips tbody tr").count() == 6
    opened.locator("#unit input").fill("999")
    opened.locator("#read").click()
    expect(opened.locator("#cells .failed")).to_contain_text("There is no unit 999")
    before = opened.locator("#flow").inner_html()
    opened.locator("#clip input").check()
    opened.locator("#flow", has_text="nothing to clip").wait_for()
    assert opened.locator("#flow").inner_html() != before
    opened.locator("#follow").click()
    opened.locator("#own-flow svg").wait_for()

    opened.locator("#find").click()
    opened.locator("#units .note", has_text="colour word: the best of all units, over 12 questions").wait_for()
    opened.locator("#reader input").click()
    opened.get_by_role("option", name="completes").click()
    opened.locator("#feature input").click()
    opened.get_by_role("option", name="vowel").click()
    opened.locator("#units .note", has_text="vowel").wait_for()
    button = opened.locator("#units button").nth(1)
    button.press("Enter")
    opened.locator("#unit-examples .marked").first.wait_for()
    expect(opened.locator("#cells .cell")).to_have_text(list(QUESTION))
    layer, unit = (opened.locator(f"#{name} input").input_value() for name in ("layer", "unit"))
    assert re.search(rf" {unit} of layer {layer}$", button.inner_text())
    assert button.get_attribute("aria-pressed") == "true"

    question.fill("waht is it?")
    opened.locator("#mend").click()
    picture = opened.locator("#alignment svg[role=img]")
    picture.wait_for()
    assert "How 'what is it?' (rows)" in picture.get_attribute("aria-label")


def test_step_through_the_caption(opened, tmp_path):
    Image.fromarray(data.chelsea()).save(tmp_path / "cat.png")
    upload(opened, tmp_path / "cat.png")
    open_tab(opened, "Describe")
    opened.locator("#describe").click()
    caption = opened.locator("#caption")
    words, play = caption.locator(".sentence .chip:not(.play)"), caption.locator(".play")
    words.first.wait_for()
    text = caption.locator(".headline").inner_text()
    assert text == " ".join(words.all_inner_texts())
    expect(caption).to_contain_text("Word 1 of")
    words.first.press("ArrowRight")
    expect(caption).to_contain_text("Word 2 of")
    expect(words.nth(1)).to_have_attribute("aria-pressed", "true")
    words.nth(words.count() - 2).click()
    play.click()
    expect(caption).to_contain_text(f"Word {words.count()} of")
    expect(play).to_have_text("▶ Play")  # it stops at the end

    play.click()
    opened.locator("#by-chance").click()  # while it plays
    expect(caption.locator(".headline")).not_to_have_text(text)
    expect(caption).to_contain_text("Word 1 of")
    play.click()
    expect(play).to_have_text("■ Stop", timeout=2000)
    assert caption.locator(".failed").count() == 0
