"""Photos are read by several threads and kept while they fit."""

from collections import Counter

import numpy as np
import torch

from train.fitting.photo_cache import Squares

PHOTOS = [str(number) for number in range(20)]
SIZE = 4


def test_photos_come_in_the_order_asked_for_and_are_read_once_while_they_fit() -> None:
    read: Counter[str] = Counter()

    def square(photo: str) -> np.ndarray:
        read[photo] += 1
        return np.full((SIZE, SIZE, 3), int(photo), dtype=np.uint8)

    fit = 8
    squares = Squares(PHOTOS, square, SIZE, memory=fit * 3 * SIZE * SIZE / 1e9)
    order = np.random.default_rng(0)
    for _ in range(3):
        rows = order.permutation(len(PHOTOS))
        found = squares(rows)["squares"]
        assert found.dtype == torch.uint8 and found.shape == (len(PHOTOS), SIZE, SIZE, 3)
        assert found[:, 0, 0, 0].tolist() == rows.tolist()
    assert [read[photo] for photo in PHOTOS] == [1] * fit + [3] * (len(PHOTOS) - fit)


def test_photos_are_mirrored_where_it_is_asked_and_kept_as_they_are() -> None:
    photo = np.arange(3 * SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE, 3)
    squares = Squares(PHOTOS, lambda _: photo, SIZE, memory=1.0)
    for mirror in (np.array([True, False]), np.array([False, True])):
        found = squares(np.arange(2), mirror)["squares"].numpy()
        assert (found[mirror] == photo[:, ::-1]).all() and (found[~mirror] == photo).all()
