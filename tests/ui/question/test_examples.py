from pathlib import Path

import pytest

from ui import STATIC
from ui.question import examples as module
from ui.question.examples import GENERAL, examples
from vqa.checkpoint.load import load_checkpoint
from vqa.model.photos import open_photo

DRAWN = ["red-circle.webp", "blue-and-yellow.webp"]
MODEL = Path(__file__).resolve().parents[3] / "assets" / "model"


@pytest.fixture(autouse=True)
def fresh():
    examples.cache_clear()
    yield
    examples.cache_clear()


@pytest.fixture(scope="module")
def bundled():
    """The bundled model and its processor."""
    return load_checkpoint(MODEL)


def test_every_photo_opens_and_has_questions():
    found = examples()
    assert [example.photo.name for example in found][-2:] == DRAWN
    assert len({example.photo for example in found}) == len(found)
    for example in found:
        assert min(open_photo(example.photo).size) >= 200, example.photo
        assert len(set(example.questions)) == len(example.questions) >= 3
        assert all(question.endswith("?") for question in example.questions)


def test_the_model_knows_every_word(bundled):
    _, processor = bundled
    questions = [*GENERAL, *(question for _, asked in (*module.PHOTOS, *module.DRAWINGS) for question in asked)]
    for question in questions:
        words, unknown = processor.words(question)
        assert len(words) >= 3 and unknown == [], question
    assert processor.words("what zyzzyva?")[1] == ["zyzzyva"]  # it would be told


def test_with_scikit_image_its_photos_come_first():
    pytest.importorskip("skimage", reason="its photos are needed: pip install scikit-image")
    assert [example.photo.name for example in examples()] == [name for name, _ in module.PHOTOS] + DRAWN


def test_without_scikit_image_there_are_our_drawings(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    found = examples()
    assert [example.photo for example in found] == [STATIC / "examples" / name for name in DRAWN]


def test_photos_that_scikit_image_no_longer_carries_are_left_out(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "coffee.png").write_bytes(b"")
    spec = module.importlib.util.spec_from_file_location("skimage", tmp_path / "__init__.py")
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: spec)
    assert [example.photo.name for example in examples()] == ["coffee.png", *DRAWN]
