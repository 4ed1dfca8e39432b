"""Where the image tokens of a prompt lie on the photo."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def runs(places: Sequence[int]) -> list[int]:
    """The lengths of the runs of consecutive numbers."""
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    return [len(run) for run in np.split(np.asarray(places), breaks)]


def on_photo(
    weights: np.ndarray, lengths: Sequence[int], size: tuple[int, int], grid: Sequence[int] | None, base: int | None
) -> np.ndarray | None:
    """The weights of N image tokens as a map `(h, w)` over the photo that sums to 1; None for an unknown layout.

    lengths: of the runs of image tokens. size: width and height of the photo. grid: rows and columns of patches,
    perhaps several to a token, of processors that report them (Qwen-VL). base: tokens a side of the vision encoder's
    square. Runs of equal length are tiles, row by row, and after them the whole photo (Idefics, SmolVLM); a run that is
    longer than a square begins with one of the whole photo (LLaVA-NeXT), or with one token for all of it (Florence-2).
    """
    n, side = len(weights), math.isqrt(lengths[0])
    if grid is not None:
        rows, columns = grid
        merged = math.isqrt(rows * columns // n)
        found = weights.reshape(rows // merged, -1) if rows * columns == n * merged**2 else None
    elif len(lengths) > 1:
        found = tiled(weights, len(lengths) - 1, side, size) if set(lengths) == {side * side} else None
    elif side * side in (n, n - 1):
        found = weights[n - side * side :].reshape(side, side)
    else:
        found = weights[: base * base].reshape(base, base) if base and base * base < n else None
    return None if found is None or found.sum() <= 0 else found / found.sum()


def tiled(weights: np.ndarray, count: int, side: int, size: tuple[int, int]) -> np.ndarray:
    """`count` tiles of `side` x `side` tokens and then the whole photo as another such square."""
    ratio = size[1] / size[0]
    rows = min((r for r in range(1, count + 1) if count % r == 0), key=lambda r: abs(math.log(r * r / count / ratio)))
    parts = weights[: -side * side].reshape(rows, count // rows, side, side)
    tiles = parts.transpose(0, 2, 1, 3).reshape(rows * side, -1)
    i, j = (np.arange(cells) * side // cells for cells in tiles.shape)
    whole = weights[-side * side :].reshape(side, side)[i][:, j]
    return tiles + whole * (side * side / tiles.size)


def uncropped(attention: np.ndarray, size: tuple[int, int], processor: Any) -> np.ndarray:
    """A map of the photo's middle, which some processors cut out as a square, as one of the whole photo."""
    if not getattr(processor, "do_center_crop", False) or attention.shape[0] != attention.shape[1]:
        return attention
    short, side = min(size), attention.shape[0]
    height, width = (max(side, round(side * length / short)) for length in (size[1], size[0]))
    whole = np.zeros((height, width))
    top, left = (height - side) // 2, (width - side) // 2
    whole[top : top + side, left : left + side] = attention
    return whole
