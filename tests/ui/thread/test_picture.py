import base64
import io

import numpy as np
import pytest
from PIL import Image

from ui.thread import picture as module
from ui.thread.picture import Picture
from vqa.model.errors import InputError

QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there, 猫?"]


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
    whole = read(Picture(models).picture(photo.read_bytes(), QUESTIONS)["url"])
    top = 0
    for card, question, (seen, attention, asked, text) in zip(cards, QUESTIONS, drawn, strict=True):
        part = whole.crop((0, top, card.width, top + card.height))
        assert np.array_equal(np.asarray(part), np.asarray(card))
        top += card.height
        answer = vqa.ask(photo, question)
        assert asked == question and seen.size == size and answer.text in text
        np.testing.assert_allclose(attention, answer.attention, rtol=1e-5)
    assert whole.size == (max(card.width for card in cards), top)


def test_there_is_none_without_questions(models, photo):
    with pytest.raises(InputError):
        Picture(models).picture(photo.read_bytes(), [])
