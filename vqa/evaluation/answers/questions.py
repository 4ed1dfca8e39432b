"""The questions of a data set: surveyed before any is asked, and grouped by photo."""

import itertools
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from vqa.data.examples import Example, reference
from vqa.data.parallel import map_ahead
from vqa.data.readers import iter_examples
from vqa.evaluation.options import Options
from vqa.model.errors import InputError

OFFICIAL = 10  # the official accuracy is defined for ten human answers
PHOTOS = 32  # a batch
MOST_QUESTIONS = 1024  # a batch, so that its logits fit into memory
WINDOW = 16_384  # questions among which those about the same photo are grouped

T = TypeVar("T")


def examples_of(options: Options) -> Iterator[Example]:
    """The questions to evaluate, as a stream."""
    return itertools.islice(iter_examples(options.data, options.annotations, options.images), options.limit)


def refusal(read: Callable[[T], object], value: T) -> str | None:
    """Why `read` refuses a question or a photo; None if it does not."""
    try:
        read(value)
    except InputError as error:
        return str(error)
    return None


def question_name(index: int, example: Example) -> int | str:
    """The question's id; its place in the data if it has none."""
    return index if example.question_id is None else example.question_id


@dataclass(frozen=True)
class Survey:
    """n: questions; answered: those with a known answer; official: those with ten answers; few: those with 2 to 9."""

    n: int
    answered: int
    official: int
    few: int

    def remarks(self, metric: str) -> list[str]:
        """What the user should know of the data."""
        if not self.answered:
            return ["The data holds no answers, so nothing is scored: there are predictions only."]
        lines = []
        if unknown := self.n - self.answered:
            lines.append(f"{unknown:,} of {self.n:,} questions have no answer to compare with, so they are not scored.")
        if few := self.few or (metric == "official" and self.answered - self.official):
            lines.append(f"{few:,} questions have fewer than ten answers, so the official accuracy leaves them out.")
        return lines


def survey(options: Options) -> Survey:
    """Read every question once; 8 bytes a question are held in memory.

    Raises `InputError` for what its reader refuses, for data without any question, for a repeated question_id, and if
    none of the photos exists (unless none is needed), or none of the questions has the answers that the metric needs.
    """
    hashes = array("q")
    answered = official = few = 0
    photo = bool(options.features or options.predictions)
    for index, example in enumerate(examples_of(options)):
        hashes.append(hash(question_name(index, example)))
        answered += bool(reference(example))
        official += len(example.answers) >= OFFICIAL
        few += 1 < len(example.answers) < OFFICIAL
        photo = photo or os.path.isfile(example.image)
    if not hashes:
        raise InputError(f"{options.data} holds no example: give a file with at least one question.")
    if not photo:
        place = options.images or "its place"
        raise InputError(f"None of the photos of {options.data} is in {place}; name their folder with --images.")
    if options.metric == "official" and not official:
        raise InputError(
            f"No question of {options.data} has ten answers, as the official accuracy needs; leave --metric out."
        )
    check_unique(options, hashes)
    return Survey(len(hashes), answered, official, few)


def check_unique(options: Options, hashes: "array[int]") -> None:
    """Raise `InputError` if a question_id occurs twice. Different ids may have the same hash, so ids are compared."""
    values, counts = np.unique(np.frombuffer(hashes, np.int64), return_counts=True)
    suspects = set(values[counts > 1].tolist())
    names = (question_name(index, example) for index, example in enumerate(examples_of(options))) if suspects else ()
    repeated = {name: times for name, times in Counter(n for n in names if hash(n) in suspects).items() if times > 1}
    if repeated:
        raise InputError(
            f"{options.data} repeats the question_id of {sum(repeated.values()) - len(repeated):,} of its "
            f"{len(hashes):,} questions (such as {next(iter(repeated))}): give each question its own, or none."
        )


class Batch(NamedTuple):
    """Its number in the data set; by photo the questions, each with its place in the data."""

    number: int
    photos: dict[str, list[tuple[int, Example]]]


def batches(examples: Iterable[Example], photos: int = PHOTOS) -> Iterator[Batch]:
    """The questions grouped by photo, at most `photos` photos a batch; reads the examples as a stream.

    A photo whose questions are further apart than `WINDOW` is in two batches. Where a window would end with a batch of
    one photo, that photo joins the batch before, so that it can be swapped with another.
    """
    numbers, numbered = itertools.count(), enumerate(examples)
    while window := list(itertools.islice(numbered, WINDOW)):
        by_photo: dict[str, list[tuple[int, Example]]] = {}
        for index, example in window:
            by_photo.setdefault(example.image, []).append((index, example))
        groups: list[dict[str, list[tuple[int, Example]]]] = [{}]
        for image, questions in by_photo.items():
            for start in range(0, len(questions), MOST_QUESTIONS):
                part, last = questions[start : start + MOST_QUESTIONS], groups[-1]
                count = sum(map(len, last.values()))
                if last and (len(last) >= photos or image in last or count + len(part) > MOST_QUESTIONS):
                    groups.append({})
                groups[-1][image] = part
        if len(groups) > 1 and len(groups[-1]) == 1 and not groups[-1].keys() & groups[-2].keys():
            last = groups.pop()
            groups[-1] |= last
        yield from (Batch(next(numbers), group) for group in groups)


def read_photos(
    batches: Iterable[Batch], read: Callable[[str], T]
) -> Iterator[tuple[Batch, dict[str, T], dict[str, str]]]:
    """Each batch with its photos by path, as `read` returns them, and the errors of those that cannot be read.

    `read` runs in threads, ahead of the batch that is being used.
    """

    def attempt(item: tuple[Batch, str]) -> tuple[Batch, str, Any, str | None]:
        try:
            return *item, read(item[1]), None
        except InputError as error:
            return *item, None, str(error)

    items = ((batch, image) for batch in batches for image in batch.photos)
    attempts = map_ahead(attempt, items, depth=2 * PHOTOS)
    for _, group in itertools.groupby(attempts, key=lambda result: result[0].number):
        results = list(group)
        photos = {image: photo for _, image, photo, error in results if error is None}
        errors = {image: error for _, image, _, error in results if error is not None}
        yield results[0][0], photos, errors
