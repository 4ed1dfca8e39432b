"""Photos that are seen a little differently each time."""

import torch
from torch import Tensor

from train.fitting.augment import augment

SIZE = 32


def seen(pixels: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return augment(pixels)


def halves(photos: int) -> Tensor:
    """Photos that are dark at left and light at right."""
    pixels = -torch.ones(photos, 3, SIZE, SIZE)
    pixels[..., SIZE // 2 :] = 1.0
    return pixels


def turned(pixels: Tensor) -> Tensor:
    """`(P,)`: is the light on the left?"""
    edge = SIZE // 4  # zoom and shift move the middle by less than this
    return pixels[..., :edge].mean((1, 2, 3)) > pixels[..., -edge:].mean((1, 2, 3))


def test_the_seed_decides() -> None:
    pixels = torch.rand(4, 3, SIZE, SIZE)
    assert torch.equal(seen(pixels, 1), seen(pixels, 1))
    assert not torch.equal(seen(pixels, 1), seen(pixels, 2))


def test_photos_are_drawn_apart() -> None:
    pixels = torch.rand(1, 3, SIZE, SIZE).expand(3, -1, -1, -1)
    one, two, three = seen(pixels, 1)
    assert not torch.equal(one, two) and not torch.equal(two, three)


def test_nothing_is_mirrored() -> None:
    assert not turned(seen(halves(300), 3)).any()


def test_values_stay_near_the_photo() -> None:
    pixels = torch.rand(50, 3, SIZE, SIZE) * 2 - 1
    result = seen(pixels, 4)
    assert result.shape == pixels.shape and result.dtype == pixels.dtype
    assert result.isfinite().all()
    assert result.abs().max() <= 1.2 + 0.2  # contrast at most 1.2, light at most 0.2 apart


def test_a_plain_photo_changes_in_light_only() -> None:
    result = seen(torch.full((50, 3, SIZE, SIZE), 0.5), 5)
    level = result.mean((1, 2, 3))
    assert torch.allclose(result, level[:, None, None, None].expand_as(result), atol=1e-5)
    assert (level >= 0.5 * 0.8 - 0.2).all() and (level <= 0.5 * 1.2 + 0.2).all()
    assert level.std() > 0.05


def test_most_of_the_photo_stays_in_view() -> None:
    """At least 0.8 of each side: the middle of the photo is in every picture."""
    pixels = -torch.ones(100, 3, SIZE, SIZE)
    pixels[..., 12:20, 12:20] = 1.0
    bright = seen(pixels, 6).flatten(1)
    assert (bright.amax(1) - bright.amin(1) > 1.2).all()


def test_the_photos_themselves_are_kept() -> None:
    pixels = torch.rand(2, 3, SIZE, SIZE)
    before = pixels.clone()
    seen(pixels, 7)
    assert torch.equal(pixels, before)
