"""The answers that people confirm or correct reach the table that `vqa train` takes."""

from pathlib import Path

import pytest

from ui import app
from ui.thread.collect import Corrections
from vqa.data.collect import PHOTOS, Collection
from vqa.data.readers import read_examples
from vqa.model.errors import InputError


def test_right_and_wrong_answers_are_added(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.api.payload.get_upload_folder", lambda: str(photo.parent))
    upload, page = {"path": str(photo)}, Corrections(Collection(tmp_path / "mine"))
    assert page.collect(upload, "what is it?", "cat") == {"text": "Added to questions.csv."}
    assert page.collect(upload, "what is it?", "cat") == {"text": "Added before."}
    assert page.collect(upload, "how many?", "3") == {"text": "Added to questions.csv."}
    for uploaded, answer, message in (
        (None, "cat", "no photo yet"),
        (upload, "?!", "no letters or digits"),
    ):
        with pytest.raises(InputError, match=message):
            page.collect(uploaded, "how many?", answer)
    examples = read_examples(page.collection.table, images=tmp_path / "mine" / PHOTOS)
    assert [(e.question, e.answer) for e in examples] == [("what is it?", "cat"), ("how many?", "3")]


def test_strangers_add_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="add --auth"):
        app.launch(host="0.0.0.0", collect=str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
