import base64
import io

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from ui.thread import picture as module
from ui.thread.picture import Picture
from vqa.model.errors import InputError

QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there, 猫?"]


@pytest.fixture(autouse=True)
def uploads(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


def read(url: str) -> Image.Image:
    head, _, body = url.partition(",")
    assert head == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(body, validate=True)))
    image.load()
    return image


@pytest.mark.parametrize("size", [(160, 120), (900, 60), (60, 900)])
def test_the_picture_has_a_card_for_each_question(models, vqa, photo, monkeypatch, size):
    Image.new("RGB", size, "green").save(photo)
    drawn: list[tuple] = []
    cards: list[Image.Image] = []
    overlay = module.overlay

    def recorded(*values):
        drawn.append(values)
        cards.append(overlay(*values))
        return cards[-1]

    monkeypatch.setattr(module, "overlay", recorded)
    before = sorted(photo.parent.iterdir())
    whole = read(Picture(models).picture({"path": str(photo)}, QUESTIONS)["url"])
    assert sorted(photo.parent.iterdir()) == before and get_upload_folder() == str(photo.parent)  # nothing is stored
    top = 0
    for card, question, (seen, attention, asked, text) in zip(cards, QUESTIONS, drawn, strict=True):
        part = whole.crop((0, top, card.width, top + card.height))
        assert np.array_equal(np.asarray(part), np.asarray(card))
        top += card.height
        answer = vqa.ask(photo, question)
        assert asked == question and seen.size == size and answer.text in text
        np.testing.assert_allclose(attention, answer.attention, rtol=1e-5)
    assert whole.size == (max(card.width for card in cards), top)


def test_there_is_none_without_questions_or_a_photo(models, photo):
    for uploaded, questions in ((None, QUESTIONS), ({"path": str(photo)}, [])):
        with pytest.raises(InputError):
            Picture(models).picture(uploaded, questions)
