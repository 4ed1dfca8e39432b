"""Answers to all questions of a data set, and the guesses that they are held against."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqa.data.examples import Example
from vqa.data.features import FeatureStore
from vqa.data.prefetch import map_ahead
from vqa.errors import InputError
from vqa.predict import VQA

PHOTOS_A_BATCH = 32


@dataclass
class Predictions:
    """For each answered example: the best answer and its confidence, and the best of the blind and image-only heads.

    swapped: the best answer about another photo, if that was asked for; else empty.
    skipped: why examples were left out, and how many each; told: one example of each reason, for the user.
    """

    examples: list[Example] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    image_only: list[str] = field(default_factory=list)
    swapped: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    told: dict[str, str] = field(default_factory=dict)

    def skip(self, reason: str, count: int, sentence: str) -> None:
        self.skipped[reason] += count
        self.told.setdefault(reason, sentence)


def predict(
    vqa: VQA,
    examples: Sequence[Example],
    features: FeatureStore | None = None,
    name_of: Callable[[str], str] = lambda image: Path(image).name,
    advance: Callable[[int], None] = lambda questions: None,
    swap_seed: int | None = None,
) -> Predictions:
    """Answer every example; each photo is read (or looked up in `features` by `name_of(image)`) once.

    swap_seed: ask every question about another photo too, drawn with this seed among those of the same batch.
    What cannot be answered (photo missing or broken, question empty or endless) is skipped and counted.
    """
    done = Predictions()
    generator = None if swap_seed is None else np.random.default_rng(swap_seed)
    last: Tensor | None = None
    for batch in grids(vqa, examples, features, name_of, done):
        logits = batch_logits(vqa, batch, done)
        if logits is None:
            continue
        answered, answer, blind, image_only = logits
        probability, best = (answer / vqa.config.temperature).softmax(-1).max(-1)
        done.examples += answered
        done.answer += [vqa.answers[i] for i in best.tolist()]
        done.confidence += probability.tolist()
        done.blind += [vqa.answers[i] for i in blind.argmax(-1).tolist()]
        done.image_only += [vqa.answers[i] for i in image_only.argmax(-1).tolist()]
        if generator is not None:
            done.swapped += swapped(vqa, batch, answered, last, generator)
            last = batch[-1][0]
        advance(sum(len(asked) for _, asked in batch))
    return done


Photo = tuple[Tensor, list[Example]]


def swapped(
    vqa: VQA, batch: list[Photo], answered: list[Example], last: Tensor | None, generator: np.random.Generator
) -> list[str]:
    """The best answers about other photos: along a random cycle through the batch, no photo keeps its own questions.

    last: a photo of the batch before, for a batch of a single one. Raises `InputError` if there is none either.
    """
    grids = [grid for grid, _ in batch]
    if len(grids) == 1:
        if last is None:
            raise InputError("There is a single photo, so photos cannot be swapped; leave out --swap-photos.")
        grids, other = [*grids, last], {0: 1}
    else:
        cycle = generator.permutation(len(grids)).tolist()
        other = dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    row_of = {image: row for row, (_, asked) in enumerate(batch) for image in {example.image for example in asked}}
    rows = torch.tensor([other[row_of[example.image]] for example in answered])
    logits, *_ = vqa.logits(torch.stack(grids), [example.question for example in answered], rows)
    return [vqa.answers[i] for i in logits.argmax(-1).tolist()]


def batch_logits(
    vqa: VQA, batch: list[Photo], done: Predictions
) -> tuple[list[Example], Tensor, Tensor, Tensor] | None:
    """The examples of a batch that can be asked, and their logits `(B, A)`: whole model, blind, image-only."""
    answered, rows = [], []
    for row, (_, asked) in enumerate(batch):
        for example in asked:
            try:
                vqa.processor.encode([example.question])
            except InputError as error:
                done.skip("question", 1, f"question {example.question_id}: {error}")
                continue
            answered.append(example)
            rows.append(row)
    if not answered:
        return None
    grid = torch.stack([grid for grid, _ in batch])
    logits = vqa.logits(grid, [example.question for example in answered], torch.tensor(rows))
    whole, blind, image_only = (x.float().cpu() for x in logits)
    return answered, whole, blind, image_only


def grids(
    vqa: VQA,
    examples: Sequence[Example],
    features: FeatureStore | None,
    name_of: Callable[[str], str],
    done: Predictions,
) -> Iterator[list[Photo]]:
    """Batches of photos: the grid `(N, D)` of each and the examples about it."""
    about: dict[str, list[Example]] = {}
    for example in examples:
        about.setdefault(example.image, []).append(example)
    if features is not None:
        known = [(row, image) for image, row in zip(about, features.lookup(map(name_of, about)), strict=True)]
        for row, image in known:
            if row < 0:
                done.skip("photo", len(about[image]), f"{image} is not in the feature store {features.folder}")
        there = [(row, image) for row, image in known if row >= 0]
        for i in range(0, len(there), PHOTOS_A_BATCH):
            chunk = there[i : i + PHOTOS_A_BATCH]
            read = features.read(np.array([row for row, _ in chunk]))
            yield [(grid, about[image]) for grid, (_, image) in zip(read, chunk, strict=True)]
        return

    def square(image: str) -> tuple[str, np.ndarray | str]:
        try:
            return image, vqa.processor.image_processor.square(image)
        except InputError as error:
            return image, str(error)

    squares: list[tuple[str, np.ndarray]] = []
    for image, result in map_ahead(square, about, depth=2 * PHOTOS_A_BATCH):
        if isinstance(result, str):
            done.skip("photo", len(about[image]), result)
            continue
        squares.append((image, result))
        if len(squares) == PHOTOS_A_BATCH:
            yield encode(vqa, squares, about)
            squares = []
    if squares:
        yield encode(vqa, squares, about)


def encode(vqa: VQA, squares: list[tuple[str, np.ndarray]], about: dict[str, list[Example]]) -> list[Photo]:
    grids = vqa.encode_squares(torch.from_numpy(np.stack([square for _, square in squares])))
    return [(grid, about[image]) for grid, (image, _) in zip(grids, squares, strict=True)]
