"""Photos with a part covered: by a mask, or place by place from coarse to fine."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from vqa.model.errors import InputError

GREY = Image.new("RGB", (448, 448), (128, 128, 128))  # what stands for no photo
MAX_CELLS = 128  # a side of a mask
COARSE, FINE = 4, 2  # cells a side; into how many the best of them are split
SPLIT = 4  # cells that are split


def cover(photo: Image.Image, mask: np.ndarray) -> Image.Image:
    """An RGB photo whose masked parts have its mean colour.

    mask: `(h, w)`, true where covered; cell (i, j) lies over the rows from i/h to (i+1)/h, and so with columns.
    """
    pixels = np.array(photo)
    height, width = pixels.shape[:2]
    rows, columns = (np.arange(n) * cells // n for n, cells in zip((height, width), mask.shape, strict=True))
    pixels[mask[rows][:, columns]] = pixels.reshape(-1, 3).mean(0).round()
    return Image.fromarray(pixels)


def coarse_to_fine(photo: Image.Image, score: Callable[[Image.Image], float]) -> np.ndarray:
    """How far a score falls when each cell of an 8 x 8 grid is covered: first in squares of 2 x 2 cells, then in single
    cells where it fell the most: 33 photos are scored in all, not 65.
    """
    side, whole = COARSE * FINE, score(photo)

    def fall(rows: slice, columns: slice) -> float:
        mask = np.zeros((side, side), bool)
        mask[rows, columns] = True
        return whole - score(cover(photo, mask))

    falls = np.zeros((side, side))
    corners = [(i, j) for i in range(0, side, FINE) for j in range(0, side, FINE)]
    for i, j in corners:
        falls[i : i + FINE, j : j + FINE] = fall(slice(i, i + FINE), slice(j, j + FINE))
    for i, j in sorted(corners, key=lambda corner: -falls[corner])[:SPLIT]:
        for row in range(i, i + FINE):
            for column in range(j, j + FINE):
                falls[row, column] = fall(slice(row, row + 1), slice(column, column + 1))
    return falls


def check_mask(mask: Any) -> np.ndarray:
    """The mask as `(h, w)` booleans. Raises `InputError` for anything but rows of 0 and 1, some of them 1."""
    side = 0
    try:
        side = max(len(mask), *map(len, mask[:1]))
        cells = np.empty(0) if side > MAX_CELLS else np.asarray(mask, dtype=float)
    except (TypeError, ValueError, OverflowError, KeyError):
        cells = np.empty(0)
    if side > MAX_CELLS:
        raise InputError(f"The mask has {side:,} cells a side; give at most {MAX_CELLS}.")
    if cells.ndim != 2 or 0 in cells.shape or not np.isin(cells, (0, 1)).all():
        raise InputError("The mask is not a table of 0 and 1; give rows of equal length, 1 where the photo is covered.")
    if not cells.any():
        raise InputError("Nothing is painted over; cover a part of the photo first.")
    return cells.astype(bool)


Mask = Sequence[Sequence[int]] | np.ndarray
