"""What the probes of a model share: photos read ahead in batches, and questions asked about them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from vqa.data.examples import Example
from vqa.data.parallel import map_ahead
from vqa.model.errors import InputError
from vqa.predict import VQA
from vqa.runtimes import array

PHOTOS_A_BATCH = 16

T = TypeVar("T")


class Batch(NamedTuple, Generic[T]):
    """Some photos, as they were made ready, and the B examples about them; rows: `(B,)`, the photo of each."""

    photos: list[T]
    examples: list[Example]
    rows: np.ndarray


def read_batches(
    vqa: VQA, examples: Sequence[Example], ready: Callable[[Image.Image], T], batch: int = PHOTOS_A_BATCH
) -> Iterator[Batch[T]]:
    """The examples by photo, `batch` photos at a time; each photo is read once, ahead of its turn, in threads.

    ready: what to make of a photo's square as the model sees it, an RGB picture `(S, S)`; runs in the threads.
    Examples whose photo or question cannot be read are left out.
    """
    about: dict[str, list[Example]] = {}
    for example in examples:
        if readable(vqa, example.question):
            about.setdefault(example.image, []).append(example)

    def read(image: str) -> tuple[T, list[Example]] | None:
        try:
            square = vqa.processor.image_processor.square(image)
        except InputError:
            return None
        return ready(Image.fromarray(square)), about[image]

    read_ones = (found for found in map_ahead(read, about, depth=2 * batch) if found is not None)
    for chunk in batched(read_ones, batch):
        rows = [row for row, (_, asked) in enumerate(chunk) for _ in asked]
        yield Batch([photo for photo, _ in chunk], [e for _, asked in chunk for e in asked], np.array(rows))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`; the last may be shorter. (`itertools.batched` needs Python 3.12.)"""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def readable(vqa: VQA, question: str) -> bool:
    """Whether the model can read a question at all."""
    try:
        vqa.processor.encode([question])
    except InputError:
        return False
    return True


def encode(vqa: VQA, squares: Sequence[Image.Image], batch: int = PHOTOS_A_BATCH) -> np.ndarray:
    """P squares to grids `(P, N, D)`, `batch` at a time."""
    chunks = (np.stack([np.asarray(square) for square in chunk]) for chunk in batched(squares, batch))
    return np.concatenate([array(vqa.encode_squares(chunk)) for chunk in chunks])


def ask(vqa: VQA, grids: np.ndarray, questions: Sequence[str], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """B questions about P photos, as grids `(P, N, D)`; rows: `(B,)`, the photo of each.

    Returns the answers' probabilities `(B, A)` and the attention `(B, h, w)`, the mean of the glimpses.
    """
    found = vqa.logits(grids, questions, rows)
    attention = array(found.attention).mean(1).reshape(-1, *vqa.grid_size)
    return vqa.calibrated(found.logits), attention


def stream(seed: int, example: Example) -> np.random.Generator:
    """A question's own random numbers: the same in any order, batch or selection of the examples."""
    key = repr((seed, Path(example.image).name, example.question_id, example.question))
    digest = hashlib.blake2b(key.encode("utf-8", "backslashreplace"), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def percent(values: np.ndarray) -> float | None:
    """The mean of shares in percent, two digits; None if there are none."""
    return round(100 * float(values.mean()), 2) if len(values) else None
