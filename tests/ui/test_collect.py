"""The answers that people confirm or correct reach the table that `vqa train` takes."""

from pathlib import Path

import pytest

from ui import app
from ui.collect import Corrections
from vqa.data.collect import PHOTOS, Collection
from vqa.data.readers import read_examples
from vqa.model.errors import InputError


def test_right_and_wrong_answers_are_added(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.payload.get_upload_folder", lambda: str(photo.parent))
    upload, page = {"path": str(photo)}, Corrections(Collection(tmp_path / "mine"))
    assert page.right(upload, "what is it?", [{"answer": "cat"}]) == "Added to questions.csv."
    assert page.right(upload, "what is it?", [{"answer": "cat"}]) == "Added before."
    assert page.wrong(upload, "how many?", "3") == ("Added to questions.csv.", "")
    assert "upload, paste or take one first" in page.right(None, "what?", [{"answer": "cat"}])
    note, typed = page.wrong(upload, "how many?", "?!")
    assert "no letters or digits" in note and typed == "?!"
    examples = read_examples(page.collection.table, images=tmp_path / "mine" / PHOTOS)
    assert [(e.question, e.answer) for e in examples] == [("what is it?", "cat"), ("how many?", "3")]


def test_strangers_add_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="add --auth"):
        app.launch(host="0.0.0.0", collect=str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
