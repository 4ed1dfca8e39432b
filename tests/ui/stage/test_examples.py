from pathlib import Path

import pytest

from ui import STATIC
from ui.stage import examples as module
from ui.stage.examples import GENERAL, examples
from vqa.checkpoint.load import load_checkpoint
from vqa.model.photos import open_photo

DRAWN = ["red-circle.webp", "blue-and-yellow.webp"]
MODEL = Path(__file__).resolve().parents[3] / "assets" / "model"


@pytest.fixture(autouse=True)
def fresh():
    examples.cache_clear()
    yield
    examples.cache_clear()


def test_every_photo_opens_and_has_questions():
    pytest.importorskip("skimage", reason="its photos are needed: pip install scikit-image")
    found = examples()
    assert [example.photo.name for example in found] == [file for _, file, _ in module.PHOTOS] + DRAWN
    assert len({example.name for example in found}) == len(found) == 6
    for example in found:
        assert min(open_photo(example.photo).size) >= 200, example.photo
        assert len(set(example.questions)) == len(example.questions) >= 3
        assert all(question.endswith("?") for question in example.questions)


def test_the_model_knows_every_word():
    _, processor = load_checkpoint(MODEL)
    questions = [*GENERAL, *(question for _, _, asked in (*module.PHOTOS, *module.DRAWINGS) for question in asked)]
    for question in questions:
        words, unknown = processor.words(question)
        assert len(words) >= 3 and unknown == [], question
    assert processor.words("what zyzzyva?")[1] == ["zyzzyva"]  # it would be reported


@pytest.mark.parametrize("installed", [True, False])
def test_photos_that_scikit_image_does_not_have_are_left_out(monkeypatch, tmp_path, installed):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "coffee.png").write_bytes(b"")
    spec = module.importlib.util.spec_from_file_location("skimage", tmp_path / "__init__.py")
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: spec if installed else None)
    drawings = [STATIC / "examples" / name for name in DRAWN]
    assert [example.photo for example in examples()] == [tmp_path / "data" / "coffee.png"] * installed + drawings
