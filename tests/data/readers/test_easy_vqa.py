import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from easy_vqa import get_answers, get_test_questions, get_train_questions

from vqa.data.readers import drop_missing_photos, read_examples
from vqa.model.errors import InputError
from vqa.model.photos import open_photo


@pytest.mark.parametrize(
    ("split", "count", "original"),
    [("train", 38_575, get_train_questions), ("test", 9_673, get_test_questions)],
)
def test_the_package_itself_gives_the_same(split: str, count: int, original: object) -> None:
    examples = read_examples(f"easy-vqa:{split}")
    assert len(examples) == count
    questions, answers, photos = original()  # type: ignore[operator]
    assert [e.question for e in examples] == questions
    assert [e.answer for e in examples] == answers
    assert [e.image_id for e in examples] == photos
    assert {e.answer for e in examples} <= set(get_answers())
    assert drop_missing_photos(examples) == (examples, 0)
    assert open_photo(examples[0].image).size == (64, 64)
    assert len({e.question_id for e in examples}) == count


def test_what_cannot_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no split 'val': choose easy-vqa:train or easy-vqa:test"):
        read_examples("easy-vqa:val")
    with pytest.raises(InputError, match="leave the folder of photos out"):
        read_examples("easy-vqa:train", images=tmp_path)
    empty = ModuleSpec("easy_vqa", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: empty)
    with pytest.raises(InputError, match=r"questions\.json cannot be read: run `pip install"):
        read_examples("easy-vqa:train")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="not installed: run `pip install easy-vqa`"):
        read_examples("test", format="easy-vqa")
