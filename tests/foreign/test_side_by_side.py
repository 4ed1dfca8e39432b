"""A decoder, ViLT, BLIP and a Glimpse model beside each other in the app."""

import pytest

from tests.foreign import tiny
from tests.ui.browser import ask, choose
from tests.ui.conftest import QUESTION, free_port
from ui import app
from ui.models import Models
from vqa.foreign import decoding
from vqa.model.errors import InputError

pytestmark = pytest.mark.browser


def no_captions() -> None:
    raise InputError("There are no captions here.")


def test_four_kinds_answer_on_one_page(page, vilt, blip, tiny_checkpoint, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "LONGEST", 4)
    others = [str(vilt), str(blip), str(tiny_checkpoint)]
    models = Models(str(tiny.build("llava", tmp_path / "llava")), "cpu", others, dtype="float32")
    models.load()
    monkeypatch.setattr(models, "describer", no_captions)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(60_000)
    with app.serving(models, port=free_port()) as front:
        page.goto(front.address)
        choose(page, photo)
        page.locator("#compare").check()
        for name in others:
            page.locator(".compare select").select_option(name)
            card = ask(page, QUESTION)
            card.locator(".second .answer").wait_for()
            assert name in card.locator(".second").inner_text() and card.locator(".failed").count() == 0
        assert errors == []
