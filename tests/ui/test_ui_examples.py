from collections.abc import Iterator

import pytest

from ui import examples as module
from ui.examples import GENERAL, PHOTOS, examples
from vqa.data.photos import open_photo
from vqa.predict import VQA


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    examples.cache_clear()
    yield
    examples.cache_clear()


def test_every_example_has_a_photo_and_questions():
    found = examples()  # scikit-image comes with the test extra
    assert len(found) == len(PHOTOS) + len(module.DRAWINGS)
    for example in found:
        assert min(open_photo(example.photo).size) > 200
        assert len(example.questions) >= 3
        assert all(question.endswith("?") for question in example.questions)


def test_the_bundled_model_knows_their_words():
    processor = VQA.load().processor
    for question in (*GENERAL, *(question for example in examples() for question in example.questions)):
        assert processor.words(question)[1] == [], question


def test_without_scikit_image_there_are_our_drawings(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert [example.photo.suffix for example in examples()] == [".webp"] * len(module.DRAWINGS)
