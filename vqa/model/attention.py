"""Spatial attention: the question weights the places of the grid and takes their weighted sums."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .fusion import Fusion
from .settings import VQASettings


class SpatialAttention(nn.Module):
    """G glimpses of a grid `v (P, N, D)` for questions `q (B, H)`.

        s_gn = w_g · fuse(v_n, q)     a_g = softmax_n(s_gn)     z_g = Σ_n a_gn v_n

    soft: as written (Xu et al. 2015, section 4.2; several glimpses as in Kazemi & Elqursh 2017).
    hard: one place. In training it is sampled and the gradient goes straight through the soft weights (the
        Gumbel-softmax straight-through estimator, Jang et al. 2017); otherwise it is the place of the highest score.
    none: a_gn = 1 / N, the mean of the grid.

    A photo's questions are processed side by side, so that its grid is read and projected once for all of them.
    """

    def __init__(self, config: VQASettings, channels: int):
        super().__init__()
        self.kind, self.glimpses = config.attention, config.glimpses
        self.out_size = config.glimpses * channels
        if self.kind != "none":
            size = config.attention_size
            self.fuse = Fusion(config.fusion, channels, config.question_size, size)
            self.dropout = nn.Dropout(config.dropout)
            self.score = nn.Linear(size, config.glimpses, bias=False)  # a bias would cancel in the softmax

    def forward(
        self, grid: Tensor, question: Tensor, photo_index: Tensor | None = None, projected: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Returns glimpses `(B, G·D)` and the attention `(B, G, N)`, each map summing to 1.

        photo_index `(B,)` names each question's row of `grid`; without it question i looks at row i. projected: the
        result of `project`, if it is known already.
        """
        if photo_index is None:
            photo_index = torch.arange(question.shape[0], device=question.device)
        slot = earlier(photo_index)
        scores = self.scores(grid, question, photo_index, slot, projected)
        weights = self.weights(scores)
        beside = side_by_side(weights.to(grid.dtype), photo_index, slot, grid.shape[0])  # (P, S, G, N)
        seen = (beside.flatten(1, 2) @ grid).unflatten(1, beside.shape[1:3])  # (P, S, G, D)
        return seen[photo_index, slot].flatten(1), weights

    def project(self, grid: Tensor) -> Any:
        """The part of the scores that depends on the photo alone, `(P, N, K)`."""
        return None if self.kind == "none" else self.fuse.side_a(grid)

    def scores(self, grid: Tensor, question: Tensor, photo_index: Tensor, slot: Tensor, projected: Any) -> Tensor:
        """s `(B, G, N)` in float32."""
        if self.kind == "none":
            return question.new_zeros(question.shape[0], self.glimpses, grid.shape[1], dtype=torch.float32)
        places, asked = self.project(grid) if projected is None else projected, self.fuse.side_b(question)
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


class MultiAttention(nn.Module):
    """K looks at a grid `v (P, N, D)`; the question `q (B, H + K·H)` holds its vector h and what each look asks, c_k.

        r_k = (A_k c_k) ⊙ (1 + B_k z_<k)     b_k = C_k [c_k; z_<k]        z_<k = [z_1; …; z_k-1]
        j_kn = relu(r_k ⊙ (W_k v_n + O_k d_<k,n) + b_k)          a_k = softmax_n(w_k · j_kn)
        z_k = Σ_n a_kn v_n       m_k = 1/N Σ_n j_kn       d_kn = (p_n - p_k, |p_n - p_k|)       p_k = Σ_n a_kn p_n

    The question scales and shifts the grid's channels (FiLM, Perez et al. 2018), and from the second look on so do the
    earlier glimpses, as in stacked attention (Yang et al. 2016). Each look weights the words anew, as in MAC (Hudson &
    Manning 2018): one look finds the red circle, the next what is nearest to it. Its input includes the offset of each
    place p_n from the places p_k of the earlier looks, so that 'left of' and 'nearest' are learned independently of
    where the circle is. A softmax cannot count; the mean m_k over all places can.
    """

    def __init__(self, config: VQASettings, channels: int, height: int, width: int):
        super().__init__()
        self.height, self.width = height, width
        asked, size, looks = config.state_size, config.attention_size, range(config.looks)
        self.out_size = config.looks * (channels + size)
        self.asked = asked
        self.places = nn.ModuleList(nn.Linear(channels, size) for _ in looks)
        self.offset = nn.ModuleList(nn.Linear(3 * k, size, bias=False) for k in looks if k)
        self.scale = nn.ModuleList(nn.Linear(asked, size) for _ in looks)
        self.seen = nn.ModuleList(nn.Linear(k * channels, size) for k in looks if k)
        self.shift = nn.ModuleList(nn.Linear(asked + k * channels, size) for k in looks)
        self.score = nn.ModuleList(nn.Linear(size, 1, bias=False) for _ in looks)
        self.dropout = nn.Dropout(config.dropout)

    def project(self, grid: Tensor) -> list[Tensor]:
        """The part of each look that depends on the photo alone, W_k v_n: K of `(P, N, S)`."""
        return [places(grid) for places in self.places]

    def forward(
        self, grid: Tensor, question: Tensor, photo_index: Tensor | None = None, projected: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Returns glimpses and means `(B, K·(D + S))`, S the attention's size, and the attention `(B, K, N)`.

        photo_index `(B,)` names each question's row of `grid`; without it question i looks at row i. projected: the
        result of `project`, if it is known already.
        """
        if photo_index is None:
            photo_index = torch.arange(question.shape[0], device=question.device)
        projected = self.project(grid) if projected is None else projected
        v, asked = grid.index_select(0, photo_index), question.split(self.asked, -1)[1:]
        p = positions(self.height, self.width).to(v)
        z = v[:, 0, :0]
        means: list[Tensor] = []
        maps: list[Tensor] = []
        offsets: list[Tensor] = []
        for k, c in enumerate(asked):
            r = self.scale[k](c) if k == 0 else self.scale[k](c) * (1 + self.seen[k - 1](z))
            b = self.shift[k](torch.cat((c, z), -1))
            places = projected[k].index_select(0, photo_index)
            if k:
                places = places + self.offset[k - 1](torch.cat(offsets, -1))
            joint = (r.unsqueeze(1) * places + b.unsqueeze(1)).relu()  # (B, N, S)
            a = self.score[k](self.dropout(joint)).squeeze(-1).float().softmax(-1)
            maps.append(a)
            a = a.to(v.dtype)
            z = torch.cat((z, (a.unsqueeze(1) @ v).squeeze(1)), -1)
            d = p - (a @ p).unsqueeze(1)  # (B, N, 2)
            offsets += [d, (d.square().sum(-1, keepdim=True) + 1e-4).sqrt()]  # the square root has no gradient at 0
            means.append(joint.mean(1))
        return torch.cat((z, *means), -1), torch.stack(maps, 1)


def positions(height: int, width: int) -> Tensor:
    """Where each of the N places is, `(N, 2)`: (x, y) from the middle, two cells a unit."""
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), -1) / 2
