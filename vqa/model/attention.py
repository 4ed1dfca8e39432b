"""Spatial attention: the question weights the places of the grid and takes their weighted sums."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration import VQAConfig
from .fusion import Fusion


class SpatialAttention(nn.Module):
    """G glimpses of a grid `v (P, N, D)` for questions `q (B, H)`.

        s_gn = w_g · fuse(v_n, q)     a_g = softmax_n(s_gn)     z_g = Σ_n a_gn v_n

    soft: as written (Xu et al. 2015, section 4.2; several glimpses as in Kazemi & Elqursh 2017).
    hard: one place. In training it is sampled and the gradient goes straight through the soft weights (the
        Gumbel-softmax straight-through estimator, Jang et al. 2017); otherwise it is the place of the highest score.
    none: a_gn = 1 / N, the mean of the grid.

    A photo's questions are processed side by side, so that its grid is read and projected once for all of them.
    """

    def __init__(self, config: VQAConfig, channels: int):
        super().__init__()
        self.kind, self.glimpses = config.attention, config.glimpses
        self.out_size = config.glimpses * channels
        if self.kind != "none":
            size = config.attention_size
            self.fuse = Fusion(config.fusion, channels, config.question_size, size)
            self.dropout = nn.Dropout(config.dropout)
            self.score = nn.Linear(size, config.glimpses, bias=False)  # a bias would cancel in the softmax

    def forward(self, grid: Tensor, question: Tensor, photo_index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns glimpses `(B, G·D)` and the attention `(B, G, N)`, each map summing to 1.

        photo_index `(B,)` names each question's row of `grid`; without it question i looks at row i.
        """
        if photo_index is None:
            photo_index = torch.arange(question.shape[0], device=question.device)
        slot = earlier(photo_index)
        scores = self.scores(grid, question, photo_index, slot)
        weights = self.weights(scores)
        beside = side_by_side(weights.to(grid.dtype), photo_index, slot, grid.shape[0])  # (P, S, G, N)
        seen = (beside.flatten(1, 2) @ grid).unflatten(1, beside.shape[1:3])  # (P, S, G, D)
        return seen[photo_index, slot].flatten(1), weights

    def scores(self, grid: Tensor, question: Tensor, photo_index: Tensor, slot: Tensor) -> Tensor:
        """s `(B, G, N)` in float32."""
        if self.kind == "none":
            return question.new_zeros(question.shape[0], self.glimpses, grid.shape[1], dtype=torch.float32)
        places, asked = self.fuse.side_a(grid), self.fuse.side_b(question)
        if self.fuse.kind == "product":
            # w · (v ⊙ q) = v · (w ⊙ q): a matrix product a photo, without a (B, N, K) tensor
            keys = self.score.weight * self.dropout(asked).unsqueeze(1)  # (B, G, K)
            beside = side_by_side(keys, photo_index, slot, grid.shape[0])  # (P, S, G, K)
            scores = (beside.flatten(1, 2) @ places.transpose(1, 2)).unflatten(1, beside.shape[1:3])
            return scores[photo_index, slot].float()
        joint = self.fuse.join(places.index_select(0, photo_index), asked.unsqueeze(1))
        return self.score(self.dropout(joint)).float().transpose(1, 2)

    def weights(self, scores: Tensor) -> Tensor:
        """a `(B, G, N)` from s."""
        if self.kind != "hard":
            return scores.softmax(-1)
        if self.training:
            return F.gumbel_softmax(scores, hard=True, dim=-1)
        return F.one_hot(scores.argmax(-1), scores.shape[-1]).float()


def earlier(photo_index: Tensor) -> Tensor:
    """`(B,)`: how many earlier questions of the batch are about the same photo."""
    return (photo_index[:, None] == photo_index).tril(-1).sum(1)


def side_by_side(rows: Tensor, photo_index: Tensor, slot: Tensor, photos: int) -> Tensor:
    """Rows of questions `(B, …)` as `(P, S, …)`, S the most questions of a photo; the rest is 0."""
    most: Any = slot.max().item() + 1  # int() would make it a constant in an exported graph, as len() does with P and B
    beside = rows.new_zeros(photos, most, *rows.shape[1:])
    beside[photo_index, slot] = rows
    return beside
