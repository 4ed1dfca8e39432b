"""The photos of a training: their grids from a feature store, or their pixels, which are cached and augmented."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqa.data.features import FeatureStore, stored_name
from vqa.data.parallel import map_ahead
from vqa.model.errors import InputError
from vqa.model.processing import VQAImageProcessor

MIRRORED = {"mirrored": True}  # what a store of mirrored photos adds to its provenance
THREADS = min(8, os.cpu_count() or 1)
LoadPhotos = Callable[..., dict[str, Tensor]]


def relight(pixels: Tensor) -> Tensor:
    """Change the brightness and contrast of each photo `(P, 3, S, S)`, normalised.

    Draws from torch's generator, which the training loop seeds at every step.
    """
    return pixels * uniform(pixels, 0.8, 1.2, 1, 1, 1) + uniform(pixels, -0.2, 0.2, 1, 1, 1)


def move(pixels: Tensor) -> Tensor:
    """Shift and zoom each photo `(P, 3, S, S)`. Draws as `relight`."""
    zoom = uniform(pixels, 0.8, 1.0)
    affine = pixels.new_zeros(len(pixels), 2, 3)
    affine[:, 0, 0] = affine[:, 1, 1] = zoom
    affine[:, :, 2] = uniform(pixels, -1, 1, 2) * (1 - zoom)[:, None]
    where = F.affine_grid(affine, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, where, padding_mode="reflection", align_corners=False)


def uniform(pixels: Tensor, low: float, high: float, *shape: int) -> Tensor:
    """`(P, *shape)`: a number for each photo between `low` and `high`."""
    return low + (high - low) * torch.rand(len(pixels), *shape, device=pixels.device, dtype=pixels.dtype)


class Squares:
    """Called with rows of `photos` it returns `{"squares": (P, S, S, 3)}`, bytes, those of `mirror (P,)` mirrored.

    The first photos that fit into `memory` GB are read only once.
    """

    def __init__(self, photos: Sequence[str], image_processor: VQAImageProcessor, memory: float = 0.0):
        self.photos, self.square, size = photos, image_processor.square, image_processor.size
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


def stored_grids(
    photos: Sequence[str], folders: Sequence[str], store: FeatureStore, mirrored: FeatureStore | None = None
) -> LoadPhotos:
    """A function from rows of `photos` to `{"grid": (P, N, D)}`, those of `mirror (P,)` from the store `mirrored`.

    folders: those of the photos, whose names in the stores are relative to them. Raises `InputError` if a store lacks
    some photos.
    """
    where = photo_rows(photos, folders, store)
    turned = where if mirrored is None else photo_rows(photos, folders, mirrored)

    def read(rows: np.ndarray, mirror: np.ndarray | None = None) -> dict[str, Tensor]:
        grid = store.read(where[rows], torch.bfloat16)
        if mirrored is not None and mirror is not None and mirror.any():
            grid[mirror] = mirrored.read(turned[rows[mirror]], torch.bfloat16)
        return {"grid": grid}

    return read


def photo_rows(photos: Sequence[str], folders: Sequence[str], store: FeatureStore) -> np.ndarray:
    """Rows of the photos in the store. Raises `InputError` if it lacks some."""
    where = store.lookup([stored_name(photo, folders) for photo in photos])
    if (where < 0).any():
        raise InputError(
            f"The feature store {store.folder} lacks {int((where < 0).sum()):,} of {len(where):,} photos, such as "
            f"{photos[int(where.argmin())]}; run train.extract_features on their folder with the same --output."
        )
    return where
