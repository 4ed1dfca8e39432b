"""The question looks at the grid: where, how much, and what it saw there."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqa.configuration import VQAConfig
from vqa.fusion import Fusion


class SpatialAttention(nn.Module):
    """G glimpses of a grid `v (P, N, D)` for questions `q (B, H)`.

        s_gn = w_g · fuse(v_n, q)     a_g = softmax_n(s_gn)     z_g = Σ_n a_gn v_n

    soft: as written (Xu et al. 2015, section 4.2; several glimpses as in Kazemi & Elqursh 2017).
    hard: one place. In training it is sampled and the gradient goes straight through the soft weights (the
        Gumbel-softmax straight-through estimator, Jang et al. 2017); otherwise it has the highest score.
    none: a_gn = 1 / N, the mean of the grid.
    """

    def __init__(self, config: VQAConfig, channels: int):
        super().__init__()
        self.kind, self.glimpses = config.attention, config.glimpses
        if self.kind != "none":
            size = config.attention_size
            self.fuse = Fusion(config.fusion, channels, config.question_size, size)
            self.dropout = nn.Dropout(config.dropout)
            self.score = nn.Linear(size, config.glimpses, bias=False)  # a bias would cancel in the softmax

    def forward(
        self, grid: Tensor, question: Tensor, photo_index: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns glimpses `(B, G·D)` and the attention `(B, G, N)`, each map summing to 1.

        photo_index `(B,)` names each question's row of `grid`; without it question i looks at row i. The grid
        is projected once a photo and only then spread over its questions.
        """
        weights = self.weights(grid, question, photo_index)
        seen = torch.einsum("bgn,bnd->bgd", weights.to(grid.dtype), spread(grid, photo_index))
        return seen.flatten(1), weights

    def weights(self, grid: Tensor, question: Tensor, photo_index: Tensor | None) -> Tensor:
        if self.kind == "none":
            places = grid.shape[1]
            return question.new_full((len(question), 1, places), 1 / places, dtype=torch.float32)
        seen = spread(self.fuse.side_a(grid), photo_index)
        joint = self.fuse.join(seen, self.fuse.side_b(question).unsqueeze(1))
        scores = self.score(self.dropout(joint)).float().transpose(1, 2)
        if self.kind == "soft":
            return scores.softmax(-1)
        if self.training:
            return F.gumbel_softmax(scores, hard=True, dim=-1)
        return F.one_hot(scores.argmax(-1), scores.shape[-1]).float()


def spread(rows: Tensor, photo_index: Tensor | None) -> Tensor:
    """Rows of photos `(P, …)` to rows of questions `(B, …)`."""
    return rows if photo_index is None else rows.index_select(0, photo_index)
