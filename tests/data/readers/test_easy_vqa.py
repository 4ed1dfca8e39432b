import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import easy_vqa
import pytest

from tests.data.refusal import refusal
from vqa.data.readers import drop_missing_photos, read_examples
from vqa.model.photos import open_photo


@pytest.mark.parametrize(("split", "count"), [("train", 38_575), ("test", 9_673)])
def test_the_package_itself_gives_the_same(split: str, count: int) -> None:
    examples = read_examples(f"easy-vqa:{split}")
    assert len(examples) == count
    questions, answers, photos = getattr(easy_vqa, f"get_{split}_questions")()
    assert [e.question for e in examples] == questions
    assert [e.answer for e in examples] == answers
    assert [e.image_id for e in examples] == photos
    assert {e.answer for e in examples} <= set(easy_vqa.get_answers())
    assert drop_missing_photos(examples) == (examples, 0)
    assert open_photo(examples[0].image).size == (64, 64)
    assert len({e.question_id for e in examples}) == count


def test_what_cannot_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no split 'val': choose easy-vqa:train or easy-vqa:test" in refusal(read_examples, "easy-vqa:val")
    assert "leave the folder of photos out" in refusal(read_examples, "easy-vqa:train", images=tmp_path)
    empty = ModuleSpec("easy_vqa", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: empty)
    assert "questions.json cannot be read: run `pip install" in refusal(read_examples, "easy-vqa:train")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "not installed: run `pip install easy-vqa`" in refusal(read_examples, "test", format="easy-vqa")
