"""Photos read in batches, questions asked about them, and each question's own random numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vqa.data.examples import Example
from vqa.evaluation.probes.asked_again import AskedAgain, generator_for
from vqa.model.errors import InputError
from vqa.predict import VQA

QUESTIONS = ("what is on the table?", "how many dogs are there?")


@pytest.fixture(scope="module")
def examples(noise_photos: Callable[..., list[str]]) -> list[Example]:
    return [Example(name, question) for question in QUESTIONS for name in noise_photos(5, 70, 50)]


def test_answers_and_attention_are_those_of_asking_one_by_one(vqa: VQA, examples: list[Example]) -> None:
    by_photo = sorted(examples, key=lambda e: e.image)
    asked: list[Example] = []
    again = AskedAgain(vqa, examples, batch_size=2)
    for photos, batch, rows in again.read(lambda square: square):
        given = again.ask(again.encode(photos), [e.question for e in batch], rows)
        asked += batch
        for example, text, belief, weights in zip(batch, *given, strict=True):
            alone = vqa.ask(example.image, example.question)
            assert text == alone.text and float(belief) == pytest.approx(alone.confidence, abs=1e-5)
            np.testing.assert_allclose(weights, alone.attention.mean(0), atol=1e-5)
    assert asked == by_photo


def test_unreadable_photos_and_questions_are_left_out(vqa: VQA, examples: list[Example]) -> None:
    image = examples[0].image
    bad = [Example("nowhere.png", "what is it?"), Example(image, " "), Example(image, "?!")]
    batches = AskedAgain(vqa, [bad[0], examples[0], *bad[1:], examples[1]]).read(lambda square: square.size)
    ((photos, asked, rows),) = batches
    assert (photos, asked, rows.tolist()) == ([(64, 64)] * 2, examples[:2], [0, 1])
    with pytest.raises(InputError, match="No question could be asked"):
        list(AskedAgain(vqa, bad).read(lambda square: square))


def test_each_question_has_its_own_random_numbers() -> None:
    base, elsewhere = (Example(f"{folder}/1.jpg", "what is it?", question_id=1) for folder in "ab")
    changes = ({"image": "a/2.jpg"}, {"question": "what is this?"}, {"question_id": "1"})
    drawn = [generator_for(0, example).random() for example in (base, *(replace(base, **c) for c in changes))]
    assert len({*drawn, generator_for(-1, base).random()}) == 5
    assert generator_for(0, elsewhere).random() == drawn[0]
