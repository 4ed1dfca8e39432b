import re
from itertools import product

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import QUESTION

pytestmark = pytest.mark.browser


def test_look_inside(opened, address, monkeypatch):
    words = product(("what is", "is", "where are"), ("red", "big"), ("dog", "tables"))
    questions = [f"{start} the {adjective} {noun}?" for start, adjective, noun in words]
    monkeypatch.setattr("vqa.inside.questions.made_up_questions", lambda completer: questions)  # in place of hundreds
    opened.get_by_role("link", name="Learn").click()
    opened.locator("#flow svg").wait_for()  # drawn when the page opens
    assert opened.url == f"{address}learn"
    question = opened.locator("#question textarea, #question input").first
    question.fill(QUESTION)
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
    expect(opened.locator("#own-flow .failed")).to_contain_text("There is no photo yet")

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
    opened.get_by_role("link", name="Glimpse").click()
    opened.locator(".examples button").first.wait_for()
