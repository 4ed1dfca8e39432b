"""The thread in a browser: asking, suggestions, what survives, downloads, two models, a lost server."""

import json

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.ui.browser import ask, choose, drag, drawn, upload
from tests.ui.conftest import QUESTION
from vqa.model.errors import InputError

pytestmark = pytest.mark.browser


def test_a_question_is_completed_and_repaired(opened, uploaded, photo):
    question, row = opened.locator("#question"), opened.locator(".suggestions")
    top = question.bounding_box()["y"]
    opened.locator("body").press("/")
    opened.keyboard.type("how many peo")  # the key has put the cursor there
    chip = row.locator("button", has_text="how many people").first
    chip.wait_for()
    assert row.locator("button").count() <= 3 and question.bounding_box()["y"] == top
    question.fill("what animal is this?")
    expect(row.locator("button")).to_have_count(0)  # what is complete is not completed
    question.fill("how many peo")
    chip.click()
    opened.locator(".cards .bar").wait_for()
    expect(question).to_have_value("")
    assert row.locator("button", has_text="how many people").count() == 0  # asked already

    card = ask(opened, "what is on teh tabel?")
    expect(row).to_contain_text("Did you mean")
    assert "does not know: teh" in card.inner_text()
    row.get_by_role("button", name=QUESTION).click()
    expect(opened.locator(".cards .bar")).to_have_count(3)
    expect(row).not_to_contain_text("Did you mean")
    assert opened.locator("#live").inner_text().startswith(QUESTION)  # announced
    assert "knows none of the words" in ask(opened, "zyzzyva?").inner_text()
    question.fill("a" * 400)
    assert len(question.input_value()) == 300
    choose(opened, photo)
    expect(question).to_have_value("")


def test_a_thread_survives_and_its_address_leads_back(opened, uploaded, tmp_path):
    card = ask(opened, QUESTION, "is it red?")
    for button, name in (("JSON", "thread.json"), ("Picture", "thread.png")):
        with opened.expect_download() as download:
            opened.locator(".downloads").get_by_role("button", name=button).click()
        download.value.save_as(tmp_path / name)
    turns = json.loads((tmp_path / "thread.json").read_text(encoding="utf-8"))
    assert [turn["question"] for turn in turns] == [QUESTION, "is it red?"]
    assert all(turn["attention"]["maps"] for turn in turns)
    with Image.open(tmp_path / "thread.png") as picture:
        assert picture.height > 600

    link = opened.url
    assert "q=is+it+red" in link
    opened.reload()
    expect(opened.locator(".cards .bar")).to_have_count(2)
    expect(opened.locator(".card[aria-current]")).to_contain_text("is it red?")
    opened.go_back()
    expect(opened.locator(".card[aria-current]")).to_contain_text(QUESTION)
    opened.go_forward()
    expect(opened.locator(".card[aria-current]")).to_contain_text("is it red?")
    opened.get_by_role("button", name="Remove: is it red?").click()
    expect(card).to_have_count(0)
    opened.locator(".notice").get_by_role("button", name="Undo").click()
    expect(opened.locator(".cards .card")).to_have_count(2)
    opened.get_by_role("button", name="Clear", exact=True).click()
    expect(opened.locator(".cards .card")).to_have_count(0)
    opened.locator(".notice").get_by_role("button", name="Undo").click()
    expect(opened.locator(".cards .bar")).to_have_count(2)

    drag(opened, (0.2, 0.2), (0.6, 0.7))
    ask(opened)
    assert "part=0.2" in opened.url
    for address, said in ((link, "is it red?"), (opened.url, "about the marked part")):
        with opened.context.browser.new_context() as other:  # somebody else follows the link
            page = other.new_page()
            page.set_default_timeout(60_000)
            page.goto(address)
            page.locator(".cards .bar").wait_for()
            expect(page.locator(".card[aria-current]")).to_contain_text(said)
            assert page.url == address
            expect(page.locator(".marked")).to_be_hidden()


def test_a_lost_server_is_said_once_and_the_question_sent_again(opened, uploaded):
    for path in ("**/call/ask", "**/page.json"):
        opened.route(path, lambda route: route.abort())
    for question in (QUESTION, "is it red?"):
        opened.locator("#question").fill(question)
        opened.locator("#question").press("Enter")
        expect(opened.locator(".notice")).to_contain_text("The connection to the server is lost")  # why both wait
        expect(opened.locator(".cards .answer").first).to_have_text("Looking …")
    opened.unroute_all()
    expect(opened.locator(".cards .bar")).to_have_count(2)
    expect(opened.locator(".notice")).to_be_hidden()


def test_two_models_answer_side_by_side(opened, uploaded, photo, models, monkeypatch):
    opened.get_by_label("Compare with").check()
    card = ask(opened)
    answers = [models.get(name).ask(photo, QUESTION) for name in (models.own, "bundled")]
    assert answers[0].text != answers[1].text
    assert answers[0].text in card.locator("h3").inner_text()
    second = card.locator(".second")
    assert "bundled" in second.inner_text() and answers[1].text in second.locator(".answer").inner_text()
    second.locator("button").click()
    expect(second.locator("button")).to_have_attribute("aria-pressed", "true")

    def fails(*given):
        raise InputError("It ran out of memory.")

    monkeypatch.setattr(models.get("bundled"), "ask_all", fails)  # the other's answer remains
    card = ask(opened)
    assert answers[0].text in card.locator("h3").inner_text()
    expect(card.locator(".second")).to_contain_text("It ran out of memory.")


def test_questions_and_answers_are_never_html(opened, photo, vqa, monkeypatch):
    monkeypatch.setattr(vqa, "answers", [f"<b class=injected>{i}</b>" for i in range(5)])
    upload(opened, photo)
    card = ask(opened, "<i class=injected>what</i> is on the table?")
    assert "<b class=injected>" in card.inner_text() and "<i class=injected>" in card.inner_text()
    assert opened.locator(".injected").count() == 0


def test_step_through_the_caption(opened):
    opened.get_by_role("button", name="a cat").click()
    caption, words = opened.locator(".caption"), opened.locator(".word")
    words.first.wait_for()
    text = " ".join(words.all_inner_texts())
    words.first.click()
    words.first.press("ArrowRight")
    expect(words.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(opened.locator(".legend")).to_contain_text(f"looked at '{words.nth(1).inner_text()}'")
    words.nth(words.count() - 2).click()
    play = caption.get_by_role("button", name="Play")
    play.click()
    expect(words.last).to_have_attribute("aria-pressed", "true")
    expect(play).to_be_visible()  # it stops at the end
    caption.get_by_role("button", name="Another wording").click()
    expect(words.first).to_have_attribute("aria-pressed", "false")
    expect(opened.locator(".sentence")).not_to_have_attribute("aria-label", f"Caption, word by word: {text}")


def test_the_same_photo_again_comes_with_its_questions(opened, uploaded, photo):
    ask(opened, QUESTION, "is it red?")
    opened.get_by_role("button", name="New").click()
    upload(opened, photo)
    expect(opened.locator(".cards .bar")).to_have_count(2)
    opened.evaluate("sessionStorage.clear()")  # as a new tab, which knows none of the photos
    opened.goto(opened.url.split("?")[0])
    upload(opened, photo)
    expect(opened.locator(".cards .bar")).to_have_count(2)
    ask(opened, "is it blue?")
    opened.reload()
    expect(opened.locator(".cards .bar")).to_have_count(3)


def test_going_back_to_a_removed_question_does_not_ask_it(opened, uploaded):
    ask(opened, QUESTION, "is it red?")
    opened.get_by_role("button", name=f"Remove: {QUESTION}").click()
    expect(opened.locator(".notice button").first).to_be_focused()  # Undo
    opened.go_back()
    opened.wait_for_timeout(500)
    expect(opened.locator(".cards .card")).to_have_count(1)


def test_a_marked_part_stays_until_it_is_asked_about(opened, uploaded):
    ask(opened, "is it red?")
    empty = drawn(opened, "marks")
    drag(opened, (0.2, 0.2), (0.6, 0.7))
    marked = drawn(opened, "marks")
    opened.locator(".sentence .word").first.click()
    opened.locator(".cards .card").first.click()
    expect(opened.locator(".marked")).to_be_visible()
    assert drawn(opened, "marks") == marked != empty


def test_two_tabs_with_one_photo_keep_the_questions_of_both(opened, uploaded, photo, address):
    other = opened.context.new_page()
    other.set_default_timeout(60_000)
    other.goto(address)
    upload(other, photo)
    ask(opened, "is it red?")
    ask(other, "is it blue?")
    expect(other.locator(".cards .bar")).to_have_count(2)
    ask(opened, "is it green?")
    expect(opened.locator(".cards .bar")).to_have_count(3)
    opened.get_by_role("button", name="Remove: is it red?").click()
    opened.locator(".notice").get_by_label("close").click()
    other.close()
    opened.reload()
    expect(opened.locator(".cards .bar")).to_have_count(2)
