"""Answers to all questions of a data set, a batch of photos at a time."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqa.data.examples import Example
from vqa.data.parallel import map_ahead
from vqa.model.errors import InputError
from vqa.predict import VQA, Look
from vqa.runtimes import Logits, array

if TYPE_CHECKING:
    from vqa.data.features import FeatureStore  # needs PyTorch

PHOTOS = 64  # a batch
MOST_QUESTIONS = 1024  # a batch, so that its logits fit into memory
WINDOW = 16_384  # questions that are looked through for those about the same photo
RUNNERS_UP = 3


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and what the model said.

    index: the question's place in the data. blind, image_only: what those heads said; swapped: the answer about another
    photo, if asked. attention: `(h, w)` bytes, the mean of the glimpses' maps with its peak at 255. logits, if kept:
    those of the whole model and of the blind head.
    """

    index: int
    example: Example
    prediction: str
    confidence: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    blind: str | None = None
    image_only: str | None = None
    swapped: str | None = None
    attention: np.ndarray | None = None
    logits: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A question that was left out; reason: 'photo' or 'question'; told: a sentence for the user."""

    index: int
    reason: str
    told: str


Asked = tuple[int, Example]
Batch = tuple[int, dict[str, list[Asked]]]  # its number, and by photo the questions
Result = Answered | Skipped


def batches(examples: Iterable[Example], photos: int = PHOTOS) -> Iterator[Batch]:
    """The questions by photo, at most `photos` photos a batch; the same for the same examples, read as a stream.

    A photo whose questions lie further apart than `WINDOW` stands in two batches. A last photo joins the batch before,
    so that no batch has a single photo, if the window has two.
    """
    numbers = itertools.count()
    numbered = enumerate(examples)
    while window := list(itertools.islice(numbered, WINDOW)):
        about: dict[str, list[Asked]] = {}
        for index, example in window:
            about.setdefault(example.image, []).append((index, example))
        made: list[dict[str, list[Asked]]] = [{}]
        for image, asked in about.items():
            for start in range(0, len(asked), MOST_QUESTIONS):
                part = asked[start : start + MOST_QUESTIONS]
                count = sum(map(len, made[-1].values()))
                if made[-1] and (len(made[-1]) >= photos or image in made[-1] or count + len(part) > MOST_QUESTIONS):
                    made.append({})
                made[-1][image] = part
        if len(made) > 1 and len(made[-1]) == 1 and not made[-1].keys() & made[-2].keys():
            last = made.pop()
            made[-1] |= last
        yield from ((next(numbers), batch) for batch in made)


def answers(
    vqa: VQA,
    work: Iterable[Batch],
    features: "FeatureStore | None" = None,
    name_of: Callable[[str], str] = lambda image: Path(image).name,
    swap_seed: int | None = None,
    keep_logits: bool = False,
) -> Iterator[tuple[int, list[Result]]]:
    """Answer batch by batch: its number, and a result for each of its questions.

    features: grids to read instead of photos, by `name_of(image)`. swap_seed: ask each question about another photo of
    its batch too. The same batch gives the same results, whatever was answered before it.
    """
    if vqa.kind:
        yield from foreign_answers(vqa, work, swap_seed)
        return
    for number, batch, images, grid, skipped in photographed(vqa, work, features, name_of):
        results: list[Result] = list(skipped)
        asked = [(index, example, row) for row, image in enumerate(images) for index, example in batch[image]]
        if asked:
            other = None if swap_seed is None else cycle(len(images), (swap_seed, number))
            with vqa.fast():
                try:
                    results += answer(vqa, grid, asked, other, keep_logits)
                except InputError:  # some of the questions cannot be asked: rare, so they are sought only now
                    refused = refusals(vqa, asked)
                    results += refused
                    left_out = {skip.index for skip in refused}
                    asked = [row for row in asked if row[0] not in left_out]
                    results += answer(vqa, grid, asked, other, keep_logits) if asked else []
        yield number, results


def refusals(vqa: VQA, asked: list[tuple[int, Example, int]]) -> list[Skipped]:
    """Those questions that cannot be asked, and why."""
    refused = []
    for index, example, _ in asked:
        try:
            vqa.processor.encode([example.question])
        except InputError as error:
            refused.append(Skipped(index, "question", f"question {name(index, example)}: {error}"))
    return refused


def answer(
    vqa: VQA, grid: Any, asked: list[tuple[int, Example, int]], other: np.ndarray | None, keep_logits: bool
) -> list[Answered]:
    """Ask about grids `(P, N, D)`: each question with the row of its photo; other: `(P,)`, each photo's substitute."""
    questions, rows = [example.question for _, example, _ in asked], np.array([row for *_, row in asked])
    found = Logits(*map(array, vqa.logits(grid, questions, rows)))
    swapped: list[int] | list[None] = [None] * len(asked)
    if other is not None:
        swapped = array(vqa.logits(grid, questions, other[rows]).logits).argmax(-1).tolist()
    scores = vqa.calibrated(found.logits)
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :RUNNERS_UP]
    blind, image_only = (x.argmax(-1).tolist() for x in (found.blind, found.image_only))
    maps = found.attention.mean(1)
    maps = (255 * maps / maps.max(-1, keepdims=True)).round().astype(np.uint8).reshape(-1, *vqa.grid_size)
    return [
        Answered(
            index=index,
            example=example,
            prediction=vqa.answers[ranked[0]],
            confidence=probabilities[0],
            top=tuple((vqa.answers[a], p) for a, p in zip(ranked, probabilities, strict=True)),
            blind=vqa.answers[blind[i]],
            image_only=vqa.answers[image_only[i]],
            swapped=None if (a := swapped[i]) is None else vqa.answers[a],
            attention=maps[i],
            logits=(found.logits[i], found.blind[i]) if keep_logits else None,
        )
        for i, ((index, example, _), ranked, probabilities) in enumerate(
            zip(asked, best.tolist(), np.take_along_axis(scores, best, -1).tolist(), strict=True)
        )
    ]


def foreign_answers(vqa: VQA, work: Iterable[Batch], swap_seed: int | None) -> Iterator[tuple[int, list[Result]]]:
    """As `answers`, for a model of others (see `vqa.foreign`), which is asked one question after the other."""
    for number, batch in work:
        results: list[Result] = []
        seen: dict[str, Look] = {}
        for image in batch:
            try:
                seen[image] = vqa.look(image)
            except InputError as error:
                results += lost(batch, {image: str(error)})
        looks = list(seen.values())
        other = None if swap_seed is None else cycle(len(looks), (swap_seed, number))
        for row, image in enumerate(seen):
            for index, example in batch[image]:
                try:
                    said = vqa.ask(looks[row], example.question, RUNNERS_UP)
                except InputError as error:
                    results.append(Skipped(index, "question", f"question {name(index, example)}: {error}"))
                    continue
                swapped = None if other is None else vqa.ask(looks[other[row]], example.question, 1).text
                heat = said.attention.mean(0)
                heat = (255 * heat / heat.max()).round().astype(np.uint8)
                top = tuple((score.answer, score.score) for score in said.top)
                results.append(
                    Answered(index, example, said.text, said.confidence, top, swapped=swapped, attention=heat)
                )
        yield number, results


def cycle(count: int, seed: tuple[int, ...]) -> np.ndarray | None:
    """A random cyclic permutation, so that no photo stays in its place (a derangement); None for a single photo."""
    if count < 2:
        return None
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty(count, np.int64)
    other[order] = np.roll(order, -1)
    return other


Photographed = tuple[int, dict[str, list[Asked]], list[str], Any, list[Skipped]]


def photographed(
    vqa: VQA, work: Iterable[Batch], features: "FeatureStore | None", name_of: Callable[[str], str]
) -> Iterator[Photographed]:
    """Each batch with the photos that could be read, their grids `(P, N, D)`, and the questions about the others."""
    if features is None:
        yield from encoded(vqa, work)
        return
    for number, batch in work:
        rows = dict(zip(batch, features.lookup(map(name_of, batch)).tolist(), strict=True))
        known = [image for image in batch if rows[image] >= 0]
        grid = features.read(np.array([rows[image] for image in known], np.int64))
        where = f"is not in the feature store {features.folder}"
        missing = {image: f"{image} {where}" for image in batch if rows[image] < 0}
        yield number, batch, known, grid, lost(batch, missing)


def encoded(vqa: VQA, work: Iterable[Batch]) -> Iterator[Photographed]:
    """Photos are read ahead by threads, in order, and encoded by the batch."""

    def square(photo: tuple[Batch, str]) -> tuple[Batch, str, np.ndarray | str]:
        batch, image = photo
        try:
            return batch, image, vqa.processor.image_processor.square(image)
        except InputError as error:
            return batch, image, str(error)

    photos = ((batch, image) for batch in work for image in batch[1])
    read = map_ahead(square, photos, depth=2 * PHOTOS)
    for _, group in itertools.groupby(read, key=lambda result: result[0][0]):
        results = list(group)
        number, batch = results[0][0]
        squares = {image: pixels for _, image, pixels in results if not isinstance(pixels, str)}
        broken = {image: told for _, image, told in results if isinstance(told, str)}
        grid = vqa.encode_squares(np.stack(list(squares.values()))) if squares else None
        yield number, batch, list(squares), grid, lost(batch, broken)


def lost(batch: dict[str, list[Asked]], photos: dict[str, str]) -> list[Skipped]:
    """The questions about photos that could not be read; photos: each with the reason."""
    return [Skipped(index, "photo", told) for image, told in photos.items() for index, _ in batch[image]]


def name(index: int, example: Example) -> int | str:
    """The question's id; its place in the data if it has none."""
    return index if example.question_id is None else example.question_id
