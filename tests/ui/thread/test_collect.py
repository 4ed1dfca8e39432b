"""The answers that people confirm or correct reach the table that `vqa train` takes."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.data.refusal import refusal
from tests.ui.browser import ask, choose, upload
from tests.ui.conftest import QUESTION, free_port
from ui import app
from ui.models import Models
from ui.thread.collect import Corrections
from vqa import cli
from vqa.data.collect import PHOTOS, Collection
from vqa.data.readers import read_examples


def test_right_and_wrong_answers_are_added(tmp_path: Path, photo: Path) -> None:
    content, page = photo.read_bytes(), Corrections(Collection(tmp_path / "mine"))
    assert page.collect(content, "what is it?", "cat") == {"text": "Added to questions.csv."}
    assert page.collect(content, "what is it?", "cat") == {"text": "Added before."}
    assert page.collect(content, "how many?", "3") == {"text": "Added to questions.csv."}
    assert "no letters or digits" in refusal(page.collect, content, "how many?", "?!")
    examples = read_examples(page.collection.table, images=tmp_path / "mine" / PHOTOS)
    assert [(e.question, e.answer) for e in examples] == [("what is it?", "cat"), ("how many?", "3")]


def test_strangers_add_nothing(tmp_path: Path) -> None:
    assert "add --auth" in refusal(app.launch, host="0.0.0.0", collect=str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()


@pytest.mark.browser
def test_ask_correct_train_and_ask_again(page, models, tiny_checkpoint, tmp_path: Path) -> None:
    page.set_default_timeout(60_000)
    photos = [tmp_path / f"{number}.png" for number in range(20)]  # as many as training needs at least
    for number, path in enumerate(photos):
        Image.new("RGB", (64, 48), (12 * number, 80, 80)).save(path)
    mine, new = tmp_path / "mine", tmp_path / "new"
    with app.serving(models, port=free_port(), collection=Collection(mine)) as front:
        page.goto(front.address)
        choose(page, *photos[:10])
        for number in range(10):
            page.locator(".tray button").nth(number).click()
            page.locator(f".tray li:nth-child({number + 1}) [aria-pressed=true]").wait_for()
            card = ask(page)
            card.get_by_placeholder("wrong, it is").fill("nothing")
            card.get_by_placeholder("wrong, it is").press("Enter")
            expect(card.get_by_text("Added to questions.csv.")).to_be_visible()
    assert len(read_examples(mine / "questions.csv", images=mine / PHOTOS)) == 10
    for path in photos[10:]:  # what somebody else has corrected
        Collection(mine).add(path.read_bytes(), "is it red?", "no")

    words = [str(mine / "questions.csv"), "--images", str(mine / PHOTOS), "--start", str(tiny_checkpoint)]
    assert cli.main(["train", *words, "--output", str(new), "--epochs", "1", "--minutes", "0.5"]) == 0
    trained = Models(str(new), "cpu")
    trained.load()
    assert "nothing" in trained.get().answers
    with app.serving(trained, port=free_port()) as front:
        page.goto(front.address)
        upload(page, photos[0])
        expect(ask(page).locator("h3")).to_contain_text(trained.get().ask(photos[0], QUESTION).text)
