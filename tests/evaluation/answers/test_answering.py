"""Answers to a whole data set, from photos and from a feature store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vqa.data.examples import Example
from vqa.data.features import FeatureStore
from vqa.evaluation.answers.answering import Skipped, answers, derangement, to_bytes
from vqa.evaluation.answers.questions import batches
from vqa.evaluation.answers.scores import Answered
from vqa.predict import VQA

QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there?"]


@pytest.fixture(scope="module")
def photos(noise_photos: Callable[..., list[str]]) -> list[str]:
    return noise_photos(5, 50, 40)


@pytest.fixture(scope="module")
def examples(photos: list[str]) -> list[Example]:
    """Fifteen questions, those of a photo not together."""
    return [Example(photo, question) for question in QUESTIONS for photo in photos]


def ask(vqa: VQA, examples: list[Example], size: int = 32, **options: Any) -> tuple[list[Answered], list[Skipped]]:
    found = [result for _, results in answers(vqa, batches(examples, size), **options) for result in results]
    found.sort(key=lambda result: result.index)
    return [r for r in found if isinstance(r, Answered)], [r for r in found if isinstance(r, Skipped)]


def test_maps_as_bytes() -> None:
    assert to_bytes(np.array([[[0.0, 0.5], [1.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])).tolist() == [
        [[0, 64], [128, 255]],
        [[0, 0], [0, 0]],
    ]


def store_of(vqa: VQA, photos: list[str], folder: Path) -> FeatureStore:
    squares = np.stack([vqa.square(photo) for photo in photos])
    grids = vqa.encode_squares(torch.from_numpy(squares))
    store = FeatureStore.create(folder, vqa.made_by(), *grids.shape[1:], bits=16)
    store.append([Path(photo).name for photo in photos], [str(i) for i in range(len(photos))], grids)
    return store


def test_answers_are_those_of_asking_one_by_one(vqa, examples, photos, monkeypatch) -> None:
    read, square = list[str](), vqa.square
    monkeypatch.setattr(vqa, "square", lambda photo: (read.append(photo), square(photo))[1])
    done, skipped = ask(vqa, examples, size=2, keep_logits=True)
    assert sorted(read) == sorted(photos) and not skipped  # each photo once
    assert [(a.index, a.example) for a in done] == list(enumerate(examples))
    for answered in done:
        alone = vqa.ask(answered.example.image, answered.example.question, top=3)
        assert answered.prediction == alone.text
        assert answered.blind == alone.blind.answer
        grid = vqa.look(answered.example.image).grid
        assert answered.image_only == vqa.answers[int(vqa.model.image_only_logits(grid).argmax())]
        assert [answer for answer, _ in answered.top] == [score.answer for score in alone.top]
        assert [p for _, p in answered.top] == pytest.approx([score.score for score in alone.top], abs=1e-5)
        assert answered.confidence == answered.top[0][1]
        assert answered.sure == alone.sure
        assert answered.photo_mattered == pytest.approx(alone.photo_mattered, abs=1e-5)
        mean, attention = alone.attention.mean(0), answered.attention
        assert attention is not None and attention.max() == 255
        assert attention / 255 == pytest.approx(mean / mean.max(), abs=0.003)
        assert answered.glimpses is not None and len(answered.glimpses) == vqa.config.glimpses > 1
        for glimpse, expected in zip(answered.glimpses, alone.attention, strict=True):
            assert glimpse / 255 == pytest.approx(expected / expected.max(), abs=0.003)
        assert answered.logits is not None
        whole, blind = (vqa.answers[int(logits.argmax())] for logits in answered.logits)
        assert (whole, blind) == (answered.prediction, answered.blind)


def test_temperature_changes_the_confidence_only(vqa, examples, monkeypatch) -> None:
    plain, _ = ask(vqa, examples)
    assert plain[0].logits is None
    monkeypatch.setattr(vqa.config, "temperature", 0.1)
    for sharp, before in zip(ask(vqa, examples)[0], plain, strict=True):
        assert sharp.prediction == before.prediction
        assert sharp.confidence and before.confidence and sharp.confidence > before.confidence


def test_unreadable_photos_and_questions_are_skipped(vqa: VQA, photos: list[str], tmp_path: Path) -> None:
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
    done, skipped = ask(vqa, examples, size=2)  # the first batch has no readable photo
    assert [a.index for a in done] == [5]
    assert [(s.index, s.reason) for s in skipped] == list(enumerate(["photo"] * 3 + ["question"] * 2))
    assert "broken.png is damaged" in skipped[0].message
    assert skipped[3].message.startswith("question 7: ") and "no words" in skipped[3].message
    assert skipped[4].message.startswith("question 4: ")  # which has no id: its place

    done, skipped = ask(vqa, examples, features=store_of(vqa, photos[2:], tmp_path / "store"))
    assert [a.index for a in done] == [5]
    assert [s.reason for s in skipped] == ["photo"] * 5  # questions about missing photos are not read
    assert "is not in the feature store" in skipped[3].message


@pytest.mark.parametrize("size", [2, 3, 4, 32])
def test_swapped_answers_are_about_another_photo(vqa, examples, photos, size) -> None:
    done, _ = ask(vqa, examples, size, swap_seed=1)
    used: dict[str, set[str]] = {}
    for answered in done:
        image, question = answered.example.image, answered.example.question
        fits = {p for p in photos if p != image and vqa.ask(p, question).text == answered.swapped}
        used[image] = used.get(image, set(photos)) & fits
    assert all(used.values())  # one other photo explains all answers of a photo's questions
    assert [a.swapped for a in ask(vqa, examples, size, swap_seed=1)[0]] == [a.swapped for a in done]
    alone = [example for example in examples if example.image == photos[0]]
    for not_swapped in (ask(vqa, examples, size), ask(vqa, alone, size, swap_seed=1)):
        assert {a.swapped for a in not_swapped[0]} == {None}


@pytest.mark.parametrize("count", [2, 3, 7, 32])
def test_no_photo_keeps_its_place(count: int) -> None:
    for seed in range(20):
        other = derangement(count, (seed,))
        assert other is not None and sorted(other) == list(range(count))
        assert all(other != np.arange(count))
    assert derangement(1, (0,)) is None
