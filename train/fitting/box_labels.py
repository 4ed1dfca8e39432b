"""Boxes of objects as supervision: which kinds each place of a photo holds, and where the attention should lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from train.fitting.loop import Batch
from train.fitting.photo_labels import PhotoLabels, bernoulli_loss
from vqa.data.boxes import Objects, asked_boxes, cells
from vqa.data.examples import Example, reference
from vqa.data.kinds import KINDS, named_kinds

WEIGHT = 0.5  # of the kinds' loss beside that of the answers


class BoxKinds(PhotoLabels):
    """The kinds of objects: each place of the grid learns which kinds have a box there.

    objects: those of each photo, None for photos without boxes or with boxes in other places. Crowds have no box, so
    their kinds are not learned on their photo.
    """

    def __init__(self, photos: Sequence[str], objects: Mapping[str, Objects], channels: int, height: int, width: int):
        self.height, self.width, self.index = height, width, {name: number for number, name in enumerate(KINDS)}
        found = [objects.get(Path(photo).name) for photo in photos]
        self.objects = [one if one is not None and one.aligned else None for one in found]
        maps = [self.maps(one) for one in self.objects if one is not None]
        common = np.mean([kinds.mean((1, 2)) for kinds in maps], 0) if maps else np.zeros(len(KINDS))
        super().__init__(channels, torch.from_numpy(common).float())

    def maps(self, objects: Objects) -> np.ndarray:
        """`(K, h, w)`: whether each kind has a box at each place."""
        maps = np.zeros((len(KINDS), self.height, self.width), dtype=bool)
        for box in objects.boxes:
            maps[self.index[box.kind]] |= cells((box,), self.height, self.width).reshape(self.height, self.width)
        return maps

    def batch(self, rows: np.ndarray, mirror: np.ndarray) -> Batch:
        """boxed `(C,)`: which of the photos have boxes; kinds `(C, N, K)`: what their places hold; known `(C, K)`: 0
        for the kinds of crowds."""
        boxed = [place for place, row in enumerate(rows.tolist()) if self.objects[row] is not None]
        kinds = np.zeros((len(boxed), len(KINDS), self.height, self.width), dtype=np.float32)
        known = np.ones((len(boxed), len(KINDS)), dtype=np.float32)
        for i, place in enumerate(boxed):
            objects = self.objects[rows[place]]
            assert objects is not None
            kinds[i] = self.maps(objects)[:, :, :: -1 if mirror[place] else 1]
            known[i, [self.index[kind] for kind in objects.crowd]] = 0
        return {
            "boxed": torch.tensor(boxed, dtype=torch.long),
            "kinds": torch.from_numpy(kinds).flatten(2).transpose(1, 2),
            "known": torch.from_numpy(known),
        }

    def forward(self, grid: Tensor, batch: Batch) -> Tensor:
        kinds, known = batch["kinds"], batch["known"][:, None]
        logits = self.logits(grid[batch["boxed"]]).masked_fill(known == 0, -1e4)
        return WEIGHT * bernoulli_loss(logits, kinds * known) / kinds.shape[1]


def question_places(examples: Sequence[Example], objects: Mapping[str, Objects], height: int, width: int) -> np.ndarray:
    """`(Q, h, w)`: the places in the boxes of the kinds that each question or its answer names; none where no kind is
    named, or it has no box."""
    places = np.zeros((len(examples), height, width), dtype=bool)
    for row, example in enumerate(examples):
        kinds = named_kinds(f"{example.question} {reference(example) or ''}")
        if boxes := asked_boxes(objects, example.image, kinds):
            places[row] = cells(boxes, height, width).reshape(height, width)
    return places


def place_loss(attention: Tensor, places: Tensor) -> Tensor:
    """-log Σ_n a_n over the places in the boxes, the mean over the glimpses, and over all questions of the batch, those
    without boxes with 0.

    attention: `(B, G, h, w)`, places: `(B, h, w)`, 0 or 1.
    """
    has = places.flatten(1).any(1)
    inside = (attention[has] * places[has].unsqueeze(1)).sum((-1, -2))
    return -inside.clamp_min(1e-6).log().mean(1).sum() / max(1, len(places))
