"""Questions and answers as arrays, and batches cut from them without a Python loop over questions or answers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vqa.data.examples import Example, targets
from vqa.model.processing import VQAProcessor

T = TypeVar("T")
OTHER = {"left": "right", "right": "left"}
SIDES = re.compile(r"\b(left|right)\b")


@dataclass
class SoftTargets:
    """The likeliest answers of Q questions `(Q, k)` and their mean probabilities `(Q, k)` in half precision: 600 bytes
    a question. size: of the answer vocabulary."""

    answers: np.ndarray
    probabilities: np.ndarray
    size: int

    def batch(self, chosen: np.ndarray) -> Tensor:
        """The probabilities of all answers `(B, A)` for the questions `chosen (B,)`."""
        dense = torch.zeros(len(chosen), self.size)
        answers, probabilities = (torch.from_numpy(part[chosen]) for part in (self.answers, self.probabilities))
        return dense.scatter_(1, answers.long(), probabilities.float())


@dataclass
class Questions:
    """Q questions about P photos, in memory as arrays of about 100 bytes a question.

    input_ids `(Q, T)`; lengths `(Q,)`; photo `(Q,)`, an index into `photos`; the soft scores of question i are
    `labels[starts[i]:starts[i + 1]]` with `scores` likewise; other_words `(V,)`, other_answers `(A,)`: what each word
    and answer becomes in a mirrored photo. soft_targets: the teachers' probabilities of their answers. places
    `(Q, h, w)`: where the things are that each question names (`train.fitting.box_labels`). untaught `(Q,)`: whether
    the teachers' answers are ignored. presence `(Q,)`: see `train.fitting.prepare.presence`;
    with `optim.presence_offset` only.
    """

    photos: list[str]
    photo: np.ndarray
    input_ids: Tensor
    lengths: Tensor
    starts: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    other_words: Tensor
    other_answers: Tensor
    soft_targets: SoftTargets | None = None
    places: np.ndarray | None = None
    untaught: np.ndarray | None = None
    presence: np.ndarray | None = None

    @classmethod
    def build(cls, examples: Sequence[Example], index: dict[str, int], processor: VQAProcessor) -> "Questions":
        """`index` maps the vocabulary's answers to their numbers."""
        rows: dict[str, int] = {}
        photo = np.array([rows.setdefault(e.image, len(rows)) for e in examples], dtype=np.int64)
        input_ids, mask = processor.encode([e.question for e in examples])
        soft = [[(index[a], s) for a, s in targets(e).items() if a in index] for e in examples]
        flat = [pair for pairs in soft for pair in pairs]
        return cls(
            photos=list(rows),
            photo=photo,
            input_ids=input_ids.int(),
            lengths=mask.sum(1),
            starts=np.concatenate(([0], np.cumsum([len(pairs) for pairs in soft]))),
            labels=np.array([label for label, _ in flat], dtype=np.int64),
            scores=np.array([score for _, score in flat], dtype=np.float32),
            other_words=mirrored(processor.tokenizer.get_vocab()),
            other_answers=mirrored(index),
        )

    def __len__(self) -> int:
        return len(self.photo)

    def batch(
        self, chosen: np.ndarray, order: np.random.Generator | None = None, alone: Sequence[int] | np.ndarray = ()
    ) -> dict[str, Tensor]:
        """The model's inputs for the questions `chosen (B,)`, padded to the longest of them only; `rows (P,)` are
        their photos, each once, and after these the photos without questions `alone`.

        With `order` half of the photos, at random, are to be mirrored (`mirror (P,)`): left and right are exchanged in
        their questions and answers.
        """
        rows, photo_index = np.unique(self.photo[chosen], return_inverse=True)
        rows = np.concatenate((rows, np.asarray(alone, dtype=np.int64)))
        lengths = self.lengths[chosen]
        width = int(lengths.max())
        counts = self.starts[chosen + 1] - self.starts[chosen]
        question = np.repeat(np.arange(len(chosen)), counts)
        within = np.arange(len(question)) - np.repeat(np.cumsum(counts) - counts, counts)
        entry = np.repeat(self.starts[chosen], counts) + within
        labels = torch.zeros(len(chosen), len(self.other_answers))
        labels[torch.from_numpy(question), torch.from_numpy(self.labels[entry])] = torch.from_numpy(self.scores[entry])
        batch = {
            "input_ids": self.input_ids[chosen, :width].long(),
            "attention_mask": (torch.arange(width) < lengths[:, None]).long(),
            "photo_index": torch.from_numpy(photo_index),
            "labels": labels,
            "rows": torch.from_numpy(rows),
            "mirror": draw_mirrored(len(rows), order),
        }
        if self.soft_targets is not None:
            batch["soft_targets"] = self.soft_targets.batch(chosen)
        turned = batch["mirror"][batch["photo_index"]]
        batch["input_ids"][turned] = self.other_words[batch["input_ids"][turned]]
        for name in {"labels", "soft_targets"} & batch.keys():
            batch[name][turned] = batch[name][turned][:, self.other_answers]
        if self.places is not None:
            batch["places"] = torch.from_numpy(self.places[chosen]).float()
            batch["places"][turned] = batch["places"][turned].flip(-1)
        return batch


def draw_mirrored(photos: int, order: np.random.Generator | None) -> Tensor:
    """`(P,)`: which photos to mirror, half of them at random, or none without `order`."""
    return torch.zeros(photos, dtype=torch.bool) if order is None else torch.from_numpy(order.random(photos) < 0.5)


def mirrored(index: Mapping[str, int]) -> Tensor:
    """`(N,)`: the number of each word or answer with left and right exchanged, its own where there is no such text."""
    other = torch.arange(max(index.values(), default=-1) + 1)
    for text, number in index.items():
        other[number] = index.get(SIDES.sub(lambda found: OTHER[found[0]], text), number)
    return other


def photo_batches(photo: np.ndarray, size: int, order: np.random.Generator | None = None) -> list[np.ndarray]:
    """Cut questions into batches of about `size` that keep each photo's questions together.

    photo: `(Q,)`, the photo of each question. `order` shuffles the photos; without it they keep their order.
    Returns index arrays that together hold every question once.
    """
    photos = int(photo.max()) + 1
    rank = np.arange(photos) if order is None else order.permutation(photos)
    questions = np.argsort(rank[photo], kind="stable")
    ends = np.cumsum(np.bincount(rank[photo], minlength=photos))  # questions up to and with each photo
    cuts = np.unique(ends[np.searchsorted(ends, np.arange(size, len(photo), size))])
    return [batch for batch in np.split(questions, cuts) if len(batch)]


def plain_batches(questions: int, size: int, order: np.random.Generator) -> list[np.ndarray]:
    """Cut shuffled questions into batches of at most `size`, regardless of their photos."""
    return np.array_split(order.permutation(questions), -(-questions // size))


def share(batches: list[T], process: int, processes: int) -> list[T]:
    """This process's part of the batches; every process gets the same number, as their steps wait for each other."""
    return batches[process : len(batches) // processes * processes : processes]
