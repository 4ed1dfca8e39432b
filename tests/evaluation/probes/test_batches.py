"""Photos read in batches, questions asked, and each question's own random numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vqa.data.examples import Example
from vqa.evaluation.probes.batches import ask, batched, encode, percent, read_batches, stream
from vqa.predict import VQA

QUESTIONS = ("what is on the table?", "how many dogs are there?")


@pytest.fixture(scope="module")
def vqa(tiny_checkpoint: Path) -> VQA:
    return VQA.load(tiny_checkpoint, "cpu", "float32")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    names = [str(folder / f"{i}.png") for i in range(5)]
    for name in names:
        Image.fromarray(generator.integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(name)
    return [Example(name, question) for question in QUESTIONS for name in names]


def test_answers_and_attention_are_those_of_asking_one_by_one(vqa: VQA, examples: list[Example]) -> None:
    seen: list[Example] = []
    for photos, asked, rows in read_batches(vqa, examples, lambda square: square, batch=2):
        probabilities, attention = ask(vqa, encode(vqa, photos, batch=1), [e.question for e in asked], rows)
        seen += asked
        for example, row, weights in zip(asked, probabilities, attention, strict=True):
            alone = vqa.ask(example.image, example.question)
            assert vqa.answers[int(row.argmax())] == alone.text
            assert float(row.max()) == pytest.approx(alone.confidence, abs=1e-5)
            np.testing.assert_allclose(weights, alone.attention.mean(0), atol=1e-5)
    assert sorted(seen, key=examples.index) == examples


def test_what_cannot_be_read_is_left_out(vqa: VQA, examples: list[Example]) -> None:
    image = examples[0].image
    bad = [Example("nowhere.png", "what is it?"), Example(image, " "), Example(image, "?!")]
    found = list(read_batches(vqa, [bad[0], examples[0], *bad[1:], examples[1]], lambda square: square.size))
    assert [(batch.photos, batch.examples) for batch in found] == [([(64, 64)] * 2, examples[:2])]
    assert found[0].rows.tolist() == [0, 1]
    assert list(read_batches(vqa, bad, lambda square: square)) == []


def test_lists_of_a_size_and_shares() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []
    assert percent(np.array([True, False, False])) == 33.33
    assert percent(np.array([])) is None


def test_each_question_has_its_own_numbers() -> None:
    base = Example("a/1.jpg", "what is it?", question_id=1)
    others = [
        Example("a/2.jpg", "what is it?", question_id=1),
        Example("a/1.jpg", "what is this?", question_id=1),
        Example("a/1.jpg", "what is it?", question_id="1"),
    ]
    drawn = [stream(0, example).random() for example in (base, *others)] + [stream(-1, base).random()]
    assert len(set(drawn)) == 5
    # wherever the data lies
    assert stream(0, Example("b/1.jpg", "what is it?", question_id=1)).random() == drawn[0]
