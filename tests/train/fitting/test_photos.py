"""The photos of a training are augmented, cached while they fit, and mirrored."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import torch
from torch import Tensor

from train.fitting.photos import Squares, move, relight, stored_grids
from vqa.data.features import FeatureStore

PHOTOS = [str(number) for number in range(20)]
SIZE = 32


def augmented(pixels: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return relight(move(pixels))


def test_each_photo_is_augmented_by_itself_as_the_seed_decides() -> None:
    pixels = torch.rand(1, 3, SIZE, SIZE).expand(3, -1, -1, -1).clone()
    before = pixels.clone()
    one, two, three = augmented(pixels, 1)
    assert not torch.equal(one, two) and not torch.equal(two, three)
    assert torch.equal(one, augmented(pixels, 1)[0]) and not torch.equal(one, augmented(pixels, 2)[0])
    assert torch.equal(pixels, before)


def test_augmentation_does_not_mirror() -> None:
    pixels = -torch.ones(300, 3, SIZE, SIZE)
    pixels[..., SIZE // 2 :] = 1.0  # dark at left, light at right
    result, edge = augmented(pixels, 3), SIZE // 4  # zoom and shift move the middle by less than this
    assert (result[..., :edge].mean((1, 2, 3)) < result[..., -edge:].mean((1, 2, 3))).all()


def test_a_plain_photo_changes_in_light_only() -> None:
    result = augmented(torch.full((50, 3, SIZE, SIZE), 0.5), 5)
    level = result.mean((1, 2, 3))
    assert torch.allclose(result, level[:, None, None, None].expand_as(result), atol=1e-5)
    assert (level >= 0.5 * 0.8 - 0.2).all() and (level <= 0.5 * 1.2 + 0.2).all()
    assert level.std() > 0.05


def test_most_of_the_photo_stays_in_view() -> None:
    """At least 0.8 of each side: the middle of the photo is in every result."""
    pixels = -torch.ones(100, 3, SIZE, SIZE)
    pixels[..., 12:20, 12:20] = 1.0
    bright = augmented(pixels, 6).flatten(1)
    assert (bright.amax(1) - bright.amin(1) > 1.2).all() and bright.abs().max() <= 1.2 + 0.2


def test_photos_are_in_the_requested_order_and_read_once_while_they_fit() -> None:
    """What is cached is not mirrored."""
    drawn, fit = np.random.default_rng(0), 8
    pixels = drawn.integers(0, 256, (len(PHOTOS), 4, 4, 3), dtype=np.uint8)
    square = Mock(side_effect=lambda photo: pixels[int(photo)])
    squares = Squares(PHOTOS, SimpleNamespace(square=square, size=4), fit * 3 * 4 * 4 / 1e9)  # type: ignore[arg-type]
    for mirror in (drawn.random(len(PHOTOS)) < 0.5, drawn.random(len(PHOTOS)) < 0.5, None):
        rows = drawn.permutation(len(PHOTOS))
        expected = pixels[rows]
        if mirror is not None:
            expected[mirror] = expected[mirror, :, ::-1]
        np.testing.assert_array_equal(squares(rows, mirror)["squares"].numpy(), expected, strict=True)
    read = Counter(call.args[0] for call in square.call_args_list)
    assert [read[photo] for photo in PHOTOS] == [1] * fit + [3] * (len(PHOTOS) - fit)


def test_mirrored_grids_are_read_from_the_store_of_mirrored_photos(tmp_path: Path) -> None:
    photos = [f"{i}.png" for i in range(100)]
    stores = [FeatureStore.create(tmp_path / name, {}, 2, 3, 16) for name in ("straight", "mirrored")]
    for number, store in enumerate(stores):
        store.append(photos, photos, torch.full((100, 2, 3), float(number)) + torch.arange(100).view(-1, 1, 1) * 2)
    read = stored_grids(photos, [], *stores)
    rows, mirror = np.arange(99, 19, -1), np.arange(80) % 3 == 0
    for mirrored in (mirror, ~mirror, np.zeros(80, bool), None):
        loaded = read(rows, mirrored)["grid"][:, 0, 0].float().tolist()
        assert loaded == (rows * 2 + (0 if mirrored is None else mirrored)).tolist()
