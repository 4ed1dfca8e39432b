"""Decoded photos for the training of an image encoder: read by several threads, and cached in memory."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vqa.data.parallel import map_ahead

THREADS = min(8, os.cpu_count() or 1)


class Squares:
    """Called with rows of `photos` it returns `{"squares": (P, S, S, 3)}`, bytes, those of `mirror (P,)` mirrored.

    The first photos that fit into `memory` GB are read only once.
    """

    def __init__(self, photos: Sequence[str], square: Callable[[str], np.ndarray], size: int, memory: float):
        self.photos, self.square = photos, square
        fit = min(len(photos), int(memory * 1e9) // (3 * size * size))
        self.cached = np.empty((fit, size, size, 3), dtype=np.uint8)  # takes memory only where it is written to
        self.read = np.zeros(len(photos), dtype=bool)

    def __call__(self, rows: np.ndarray, mirror: np.ndarray | None = None) -> dict[str, Tensor]:
        squares = np.empty((len(rows), *self.cached.shape[1:]), dtype=np.uint8)
        cached = self.read[rows]
        squares[cached] = self.cached[rows[cached]]
        missing = np.flatnonzero(~cached)
        names = (self.photos[row] for row in rows[missing])
        for i, pixels in zip(missing, map_ahead(self.square, names, THREADS, 2 * THREADS), strict=True):
            squares[i], row = pixels, rows[i]
            if row < len(self.cached):
                self.cached[row], self.read[row] = pixels, True
        if mirror is not None:
            squares[mirror] = squares[mirror, :, ::-1]
        return {"squares": torch.from_numpy(squares)}
