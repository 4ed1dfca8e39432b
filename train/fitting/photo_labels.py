"""What is known of the photos themselves: further supervision of an image encoder that is trained."""

import math

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from train.fitting.loop import Batch

HIDDEN = 256


class PhotoLabels(nn.Module):
    """Labels of photos, and the layers that predict them from the grid. They are not part of the finished model.

    A place of the grid v_n has the L logits W relu(U v_n), v_n scaled to the length √D.
    """

    def __init__(self, channels: int, common: Tensor):
        """common `(L,)`: how common each label is, which is its first probability."""
        super().__init__()
        self.place = nn.Linear(channels, HIDDEN)
        self.label = nn.Linear(HIDDEN, len(common))
        nn.init.zeros_(self.label.weight)
        self.label.bias.data.copy_(common.clamp(1e-4, 1 - 1e-4).logit())

    def logits(self, grid: Tensor) -> Tensor:
        """`(P, N, D)` to `(P, N, L)` in float32."""
        return self.label(self.place(F.normalize(grid, dim=-1) * math.sqrt(grid.shape[-1])).relu()).float()

    def batch(self, rows: np.ndarray, mirror: np.ndarray) -> Batch:
        """The labels of the photos `rows (P,)`, those of `mirror (P,)` mirrored."""
        raise NotImplementedError

    def forward(self, grid: Tensor, batch: Batch) -> Tensor:
        """The loss of a batch with the grids `(P, N, D)`, and with what `batch` returns."""
        raise NotImplementedError


def bernoulli_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The binary cross-entropy, summed but for the mean over the first dimension; 0 without a row."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / max(1, len(labels))
