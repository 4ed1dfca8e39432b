"""Answers to a whole data set, from photos and from a feature store."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vqa.data.examples import Example
from vqa.data.features import FeatureStore
from vqa.errors import InputError
from vqa.evaluation import predictions
from vqa.evaluation.predictions import predict, swapped
from vqa.predict import VQA

QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there?"]


@pytest.fixture(scope="module")
def vqa(tiny_checkpoint: Path) -> VQA:
    return VQA.load(tiny_checkpoint, "cpu", "float32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    names = [str(folder / f"{i}.png") for i in range(5)]
    for name in names:
        Image.fromarray(generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(name)
    return names


@pytest.fixture(scope="module")
def examples(photos: list[str]) -> list[Example]:
    """Fifteen questions, those of a photo not together."""
    return [Example(photo, question) for question in QUESTIONS for photo in photos]


def store_of(vqa: VQA, photos: list[str], folder: Path) -> FeatureStore:
    squares = np.stack([vqa.processor.image_processor.square(photo) for photo in photos])
    grids = vqa.encode_squares(torch.from_numpy(squares))
    store = FeatureStore.create(folder, vqa.made_by(), *grids.shape[1:], bits=16)
    store.append([Path(photo).name for photo in photos], [str(i) for i in range(len(photos))], grids)
    return store


def test_answers_are_those_of_asking_one_by_one(
    vqa: VQA, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "PHOTOS_A_BATCH", 2)
    advanced: list[int] = []
    done = predict(vqa, examples, advance=advanced.append)
    assert sum(advanced) == 15 and len(advanced) == 3
    assert not done.skipped
    assert sorted(done.examples, key=examples.index) == examples
    columns = (done.examples, done.answer, done.confidence, done.blind)
    for example, answer, confidence, blind in zip(*columns, strict=True):
        alone = vqa.ask(example.image, example.question)
        assert answer == alone.text
        assert confidence == pytest.approx(alone.confidence, abs=1e-5)
        assert blind == alone.blind.answer


def test_image_only_depends_on_the_photo_alone(vqa: VQA, examples: list[Example]) -> None:
    done = predict(vqa, examples)
    said: dict[str, set[str]] = {}
    for example, answer in zip(done.examples, done.image_only, strict=True):
        said.setdefault(example.image, set()).add(answer)
    assert all(len(answers) == 1 for answers in said.values())
    grid = vqa.look(examples[0].image).grid
    best = int(vqa.model.image_only_logits(grid).argmax())
    assert said[examples[0].image] == {vqa.answers[best]}


def test_a_temperature_changes_the_confidence_only(
    vqa: VQA, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = predict(vqa, examples)
    monkeypatch.setattr(vqa.config, "temperature", 0.1)
    sharp = predict(vqa, examples)
    assert sharp.answer == plain.answer
    assert all(a > b for a, b in zip(sharp.confidence, plain.confidence, strict=True))


def test_a_feature_store_gives_the_same(
    vqa: VQA, photos: list[str], examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = predict(vqa, examples)
    store = store_of(vqa, photos, tmp_path / "store")
    monkeypatch.setattr(VQA, "encode_squares", lambda *_: pytest.fail("a photo was encoded"))
    found = predict(vqa, examples, store)
    assert (found.examples, found.answer, found.blind) == (expected.examples, expected.answer, expected.blind)
    assert found.confidence == pytest.approx(expected.confidence, abs=1e-3)


def test_what_cannot_be_answered_is_counted_and_told(
    vqa: VQA, photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(photos[0]).read_bytes()[:200])
    examples = [
        Example(str(broken), QUESTIONS[0]),
        Example(str(broken), QUESTIONS[1]),
        Example(str(tmp_path / "missing.png"), QUESTIONS[0]),
        Example(photos[0], "???", question_id=7),
        Example(photos[1], "why " * 200),
        Example(photos[2], QUESTIONS[0]),
    ]
    done = predict(vqa, examples)
    assert done.examples == examples[-1:]
    assert done.skipped == {"photo": 3, "question": 2}
    assert "broken.png is damaged" in done.told["photo"]
    assert done.told["question"].startswith("question 7: ") and "no words" in done.told["question"]

    store = store_of(vqa, photos[2:], tmp_path / "store")
    done = predict(vqa, examples, store)
    assert done.examples == examples[-1:]
    assert done.skipped == {"photo": 5}  # of a photo that is not there no question is read
    assert "is not in the feature store" in done.told["photo"]


def test_photos_are_read_once(
    vqa: VQA, examples: list[Example], photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    square: Callable[[str], np.ndarray] = vqa.processor.image_processor.square

    def note(photo: str) -> np.ndarray:
        read.append(photo)
        return square(photo)

    monkeypatch.setattr(vqa.processor.image_processor, "square", note)
    predict(vqa, examples)
    assert sorted(read) == sorted(photos)


def test_nothing_to_do(vqa: VQA) -> None:
    assert predict(vqa, []).examples == []


@pytest.mark.parametrize("size", [2, 3, 4, 32])
def test_swapped_answers_are_about_another_photo(
    vqa: VQA, examples: list[Example], photos: list[str], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Five photos in batches of two, three, four or all: the last may be alone."""
    monkeypatch.setattr(predictions, "PHOTOS_A_BATCH", size)
    done = predict(vqa, examples, swap_seed=1)
    assert len(done.swapped) == len(done.examples) == 15
    used: dict[str, set[str]] = {}
    for example, answer in zip(done.examples, done.swapped, strict=True):
        others = {photo for photo in photos if photo != example.image}
        fits = {photo for photo in others if vqa.ask(photo, example.question).text == answer}
        used[example.image] = used.get(example.image, others) & fits
    assert all(used.values())  # one other photo explains all answers of a photo's questions
    assert predict(vqa, examples, swap_seed=1).swapped == done.swapped
    assert predict(vqa, examples).swapped == []


@pytest.mark.parametrize("count", [2, 3, 7, 32])
def test_no_photo_keeps_its_own_questions(count: int) -> None:
    """A stub that answers with the number of the photo that it is shown."""
    stub: Any = SimpleNamespace(
        answers=[str(i) for i in range(count)],
        logits=lambda grid, questions, rows: (torch.nn.functional.one_hot(grid[rows], count).float(), None, None),
    )
    batch = [(torch.tensor(i), [Example(f"{i}.jpg", "a"), Example(f"{i}.jpg", "b")]) for i in range(count)]
    answered = [example for _, asked in batch for example in asked]
    told = [int(answer) for answer in swapped(stub, batch, answered, None, np.random.default_rng(count))]
    assert all(told[i] != i // 2 for i in range(2 * count))
    assert sorted(told) == sorted([*range(count), *range(count)])  # each photo once


def test_a_single_photo_cannot_be_swapped(vqa: VQA, examples: list[Example]) -> None:
    alone = [example for example in examples if example.image == examples[0].image]
    with pytest.raises(InputError, match="There is a single photo"):
        predict(vqa, alone, swap_seed=0)
