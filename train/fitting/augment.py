"""Augmentation of photos, against overfitting of the image encoder."""

import torch
from torch import Tensor
from torch.nn import functional as F


def augment(pixels: Tensor) -> Tensor:
    """Shift and zoom each photo `(P, 3, S, S)`, normalised, and change its brightness and contrast.

    Draws from torch's generator, which the training loop seeds at every step.
    """
    photos = len(pixels)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(photos, *shape, device=pixels.device, dtype=pixels.dtype)

    zoom = uniform(0.8, 1.0)
    affine = pixels.new_zeros(photos, 2, 3)
    affine[:, 0, 0] = affine[:, 1, 1] = zoom
    affine[:, :, 2] = uniform(-1, 1, 2) * (1 - zoom)[:, None]
    where = F.affine_grid(affine, list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels, where, padding_mode="reflection", align_corners=False)
    return moved * uniform(0.8, 1.2, 1, 1, 1) + uniform(-0.2, 0.2, 1, 1, 1)
