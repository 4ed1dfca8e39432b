"""The slow lane: models that the user names in GLIMPSE_MODELS, by folder or Hub id, on whatever device there is."""

import os

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vqa.predict import VQA

MODELS = os.environ.get("GLIMPSE_MODELS", "").split()


@pytest.mark.hub
@pytest.mark.skipif(not MODELS, reason="GLIMPSE_MODELS names no model")
@pytest.mark.parametrize("name", MODELS or ["none"])
def test_it_answers_looks_and_reuses(name: str) -> None:
    photo = Image.new("RGB", (480, 320), "white")
    ImageDraw.Draw(photo).ellipse((300, 60, 440, 200), fill="red")
    vqa = VQA.load(name)
    questions = ["what color is the circle?", "is there a circle?", "what color is the background?"]
    together = vqa.ask_many(photo, questions)
    assert "red" in together[0].text.lower() and "white" in together[2].text.lower()
    assert [vqa.ask(photo, question).text for question in questions] == [answer.text for answer in together]
    assert together[0].attention.sum() == pytest.approx(1, abs=1e-2) and np.isfinite(together[0].confidence)
    assert together[0].blind is None or together[0].photo_mattered > 0
