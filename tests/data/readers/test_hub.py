"""Data sets through `datasets`: a folder of Parquet files, which it reads as it reads a repository of the Hub."""

import sys
from pathlib import Path

import datasets
import pytest

from tests.data.readers.test_parquet import picture, pq
from tests.data.refusal import refusal
from tests.fake_hub import FakeHub
from vqa.data.readers import read_examples
from vqa.model.photos import open_photo


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two splits with pictures inside, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "birds"
    (folder / "data").mkdir(parents=True)
    for split, colors in (("train", ("red", "lime")), ("test", ("blue", "red"))):
        rows = {"photo": [{"bytes": picture(color), "path": None} for color in colors], "query": ["What?", "Who?"]}
        text = datasets.Value("string")
        features = datasets.Features({"photo": datasets.Image(), "query": text, "label": text})
        table = datasets.Dataset.from_dict(rows | {"label": ["a", "b"]}, features=features)
        pq.write_table(table.data.table, folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def test_a_data_set_by_its_id(repository: Path) -> None:
    read = read_examples(f"hub:{repository}:test")
    assert [(e.question, e.answer) for e in read] == [("What?", "a"), ("Who?", "b")]
    assert open_photo(read[0].image).getpixel((5, 5))[2] > 200  # type: ignore[index]
    assert read_examples(f"hub:{repository}:test") == read


def test_a_data_set_of_the_hub(repository: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.address)
    template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"  # made of the Hub's address on import
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    files = {path.relative_to(repository).as_posix(): path.read_bytes() for path in repository.rglob("*.parquet")}
    hub.repositories["ann/birds"] = files
    read = read_examples("hub:ann/birds:train")
    assert [(e.question, e.answer) for e in read] == [("What?", "a"), ("Who?", "b")]
    assert open_photo(read[0].image).getpixel((5, 5))[0] > 200  # type: ignore[index]
    assert str(read[0].image).startswith("ann--birds.photos")
    assert "cannot be read" in refusal(read_examples, "hub:ann/none:train")


def test_what_cannot_be_found_is_reported(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (f"hub:{repository}", f"hub:{repository}:val"):
        assert "has the splits train, test: add one" in refusal(read_examples, name)
    assert "cannot be read" in refusal(read_examples, f"hub:{repository}-none")
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install 'glimpse-vqa[hub]'" in refusal(read_examples, f"hub:{repository}:test")
