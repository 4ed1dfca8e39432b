"""Photos for an encoder that learns: read by several threads, and kept in memory while they fit."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vqa.data.parallel import map_ahead

THREADS = min(8, os.cpu_count() or 1)


class Squares:
    """Called with rows of `photos` it gives `{"squares": (P, S, S, 3)}`, bytes, those of `mirror (P,)` mirrored.

    The first photos that fit into `memory` GB are read only once: from the second pass on nothing waits for files.
    """

    def __init__(self, photos: Sequence[str], square: Callable[[str], np.ndarray], size: int, memory: float):
        self.photos, self.square = photos, square
        fit = min(len(photos), int(memory * 1e9) // (3 * size * size))
        self.kept = np.empty((fit, size, size, 3), dtype=np.uint8)  # takes memory only where it is written to
        self.there = np.zeros(len(photos), dtype=bool)

    def __call__(self, rows: np.ndarray, mirror: np.ndarray | None = None) -> dict[str, Tensor]:
        found = np.empty((len(rows), *self.kept.shape[1:]), dtype=np.uint8)
        kept = self.there[rows]
        found[kept] = self.kept[rows[kept]]
        missing = np.flatnonzero(~kept)
        names = (self.photos[row] for row in rows[missing])
        for i, pixels in zip(missing, map_ahead(self.square, names, THREADS, 2 * THREADS), strict=True):
            found[i], row = pixels, rows[i]
            if row < len(self.kept):
                self.kept[row], self.there[row] = pixels, True
        if mirror is not None:
            found[mirror] = found[mirror, :, ::-1]
        return {"squares": torch.from_numpy(found)}
