import io
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from ui.thread import picture as module
from ui.thread.picture import Picture
from vqa.model.errors import InputError

QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there, 猫?"]


@pytest.mark.parametrize("size", [(160, 120), (900, 60), (60, 900)])
def test_the_picture_has_a_card_for_each_question(models, vqa, photo, monkeypatch, size):
    Image.new("RGB", size, "green").save(photo)
    drawn: list[tuple] = []
    overlay = module.overlay

    def recorded(*values):
        drawn.append((*values, overlay(*values)))
        return drawn[-1][-1]

    monkeypatch.setattr(module, "overlay", recorded)
    url = Picture(models).picture(photo.read_bytes(), QUESTIONS)["url"]
    assert url.startswith("data:image/png;base64,")
    whole = Image.open(io.BytesIO(urlopen(url).read()))
    top = 0
    for question, (seen, attention, asked, text, card) in zip(QUESTIONS, drawn, strict=True):
        part = whole.crop((0, top, card.width, top + card.height))
        assert np.array_equal(np.asarray(part), np.asarray(card))
        top += card.height
        answer = vqa.ask(photo, question)
        assert asked == question and seen.size == size and answer.text in text
        np.testing.assert_allclose(attention, answer.attention, rtol=1e-5)
    assert whole.size == (max(card.width for *_, card in drawn), top)


def test_there_is_none_without_questions(models, photo):
    with pytest.raises(InputError):
        Picture(models).picture(photo.read_bytes(), [])
