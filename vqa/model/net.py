"""The whole model: encode the photo and the question, attend, fuse, score the answers."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.nn import functional as F

from .attention import MultiAttention, SpatialAttention
from .fusion import Fusion, answer_head, guess_head
from .image_encoder import ImageEncoder
from .question_encoder import QuestionEncoder
from .settings import VQASettings


@dataclass
class NetOutput:
    """logits `(B, A)`; loss, a scalar, if labels were given; attention `(B, G, h, w)`, each map summing to 1;
    word_weights `(B, T)`; question `(B, H)`, its vector; states `(B, T, H)` of the recurrent core; falls `(B, G)`, if
    requested (see `VQAModel.falls`)."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    attention: Tensor | None = None
    word_weights: Tensor | None = None
    question: Tensor | None = None
    states: Tensor | None = None
    falls: Tensor | None = None


class VQANet(nn.Module):
    """Scores the answers to a question w_1 … w_T about a photo x.

        v = CNN(x)                          grid (N, D)          image_encoder, prepare
        q = LSTM(w_1 … w_T)                 question (H)         question_encoder
        a = softmax_n(u · fuse(v_n, q))     attention (G, N)     attention
        z = Σ_n a_n v_n                     glimpses (G·D)       attention
        s = W fuse(z, q)                    logits (A)           fusion, answer_head

    Two small heads are trained beside these and never send a gradient into them: `blind_head` answers from q alone,
    `image_only_head` from the mean of v alone. They are the baselines of a guess.
    """

    output: Any = NetOutput

    def __init__(self, config: VQASettings):
        super().__init__()
        self.config = config
        self.build(config)

    def build(self, config: VQASettings) -> None:
        """Add the parts."""
        self.image_encoder = ImageEncoder(config.backbone, config.image_size)
        places = coordinates(config.coordinates, *self.grid_size).shape[-1] if config.coordinates else 0
        channels = self.image_encoder.channels + places
        self.question_encoder = QuestionEncoder(config)
        if config.looks > 1:
            self.attention: nn.Module = MultiAttention(config, channels, *self.grid_size)
        else:
            self.attention = SpatialAttention(config, channels)
        q_size, answers, dropout = config.question_size, len(config.answers), config.dropout
        self.fusion = Fusion(config.fusion, self.attention.out_size, q_size, config.fusion_size, dropout)
        self.answer_head = answer_head(config.fusion_size, answers, dropout)
        self.blind_head = guess_head(q_size, config.blind_size, answers, dropout)
        self.image_only_head = guess_head(channels, config.image_only_size, answers, dropout)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pixel_values: Tensor | None = None,
        grid: Tensor | None = None,
        photo_index: Tensor | None = None,
        labels: Tensor | None = None,
        falls: bool = False,
        prepared: tuple[Tensor, Any, Tensor | None] | None = None,
    ) -> Any:
        """Compute the equations above: a `NetOutput`.

        input_ids, attention_mask: `(B, T)`, padded on the right.
        pixel_values `(P, 3, S, S)`, grid `(P, N, D)` as `encode_image` gives it, or prepared, v and what
        `attention.project` and, for a single photo, `sides` compute from it (each may be None): exactly one of the
        three.
        photo_index: `(B,)`, the photo of each question; without it P = B and question i is about photo i.
        labels: `(B, A)` soft scores in [0, 1]. falls: compute the falls too.
        """
        if prepared is None:
            if grid is None:
                assert pixel_values is not None, "give pixel_values, grid or prepared"
                grid = self.encode_image(pixel_values)
            prepared = self.prepare(grid), None, None
        v, projected, sides = prepared
        q, word_weights, states = self.question_encoder(input_ids, attention_mask)
        z, attention = self.attention(v, q, photo_index, projected)
        if falls:
            logits, fall = self.falls(v, z, q, attention, photo_index, sides)
        else:
            logits, fall = self.answer_logits(z, q), None
        return self.output(
            loss=None if labels is None else self.loss(logits, labels),
            logits=logits,
            attention=attention.unflatten(-1, self.grid_size),
            word_weights=word_weights,
            question=q,
            states=states,
            falls=fall,
        )

    def score(self, v: Tensor, q: Tensor, photo_index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The last three equations: a prepared grid `v (P, N, D)` and questions `q (B, H)` to logits `(B, A)` and
        attention `(B, G, N)`."""
        z, attention = self.attention(v, q, photo_index)
        return self.answer_logits(z, q), attention

    def answer_logits(self, z: Tensor, q: Tensor) -> Tensor:
        """Glimpses `z (…, G·D)` and questions `q (…, H)` to logits `(…, A)`."""
        return self.answer_head(self.fusion(z, q)).float()

    def falls(
        self, v: Tensor, z: Tensor, q: Tensor, attention: Tensor, photo_index: Tensor | None, sides: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The logits `(B, A)` of glimpses `z`, and how far the best one falls if a glimpse sees the mean of the grid
        instead: `(B, G)`. The glimpse with the largest fall carried the answer. attention: `(B, G, N)`.

        W z is a sum over the glimpses, Σ_g W_g z_g, so that each block W_g is read once, for z_g and for the mean. With
        the `sides` of a single photo no block is read: W_g z_g = Σ_n a_gn W_g v_n. All answers are scored for `z`
        alone: of the other fusions only the logit of the best answer counts.
        """
        size = v.shape[-1]
        if sides is None:
            mean = v.mean(1) if photo_index is None else v.mean(1)[photo_index]  # (B, D)
        W, b = self.fusion.project_a.weight, self.fusion.project_a.bias
        rest = self.glimpses * size  # of z, which is no glimpse: the means of several looks
        side, change = F.linear(z[:, rest:], W[:, rest:], b) if z.shape[1] > rest else b, []
        for g in range(self.glimpses):
            if sides is None:
                block = slice(g * size, (g + 1) * size)
                seen, even = times(torch.cat((z[:, block], mean)), W[:, block]).unflatten(0, (2, -1))  # (B, F)
            else:
                seen, even = attention[:, g].to(sides.dtype) @ sides[g, :-1], sides[g, -1]
            side = side + seen
            change.append(even - seen)
        each = side.unsqueeze(1) + torch.stack((torch.zeros_like(side), *change), 1)  # (B, 1 + G, F)
        hidden = self.fusion.join(self.fusion.activate(each), self.fusion.side_b(q).unsqueeze(1))
        logits = self.answer_head(hidden[:, 0]).float()  # (B, A)
        best = self.answer_head.get_parameter("1.weight")[logits.argmax(-1)].unsqueeze(-1)  # (B, F, 1)
        scores = (hidden @ best).float().squeeze(-1)  # but for the bias
        return logits, scores[:, :1] - scores[:, 1:]

    def sides(self, v: Tensor) -> Tensor:
        """W_g v_n `(G, N + 1, F)`: the fusion's projection of each place of a single photo's prepared grid
        `v (1, N, D)` as glimpse g, and in the last row that of their mean, for all questions about the photo."""
        blocks = self.fusion.project_a.weight.split(v.shape[-1], 1)[: self.glimpses]
        places = torch.cat((v[0], v.mean(1)))
        return torch.stack([F.linear(places, block) for block in blocks])

    def encode_image(self, pixel_values: Tensor) -> Tensor:
        """`(P, 3, S, S)` normalised pixels to the raw grid `(P, N, D)`, which can be stored."""
        return self.image_encoder(pixel_values)

    def prepare(self, grid: Tensor) -> Tensor:
        """The grid that attention reads: with `even_lengths` each place's vector is scaled to the length √D, so that
        its numbers are about 1 (Kazemi & Elqursh 2017); with `coordinates` they are appended."""
        grid = grid.to(self.fusion.project_a.weight.dtype)  # the CNN may run in another one
        if self.config.even_lengths:
            grid = F.normalize(grid, dim=-1) * math.sqrt(grid.shape[-1])
        if self.config.coordinates:
            place = coordinates(self.config.coordinates, *self.grid_size).to(grid)
            grid = torch.cat((grid, place.expand(grid.shape[0], -1, -1)), -1)
        return grid

    def blind_logits(self, question: Tensor) -> Tensor:
        """Logits of a guess without the photo: question vectors `(B, H)` to logits `(B, A)`."""
        return self.blind_head(question).float()

    def image_only_logits(self, grid: Tensor) -> Tensor:
        """Logits of a guess without the question: raw grids `(P, N, D)` to logits `(P, A)`."""
        return self.image_only_head(self.prepare(grid).mean(1)).float()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the questions of the loss summed over the answers."""
        if self.config.loss == "sigmoid":
            return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(logits)
        return soft_cross_entropy(logits, labels)

    @property
    def glimpses(self) -> int:
        """How many maps attention has."""
        return self.config.looks * self.config.glimpses  # one of them is 1

    @property
    def grid_size(self) -> tuple[int, int]:
        """Height and width of the grid that attention is reported on."""
        return self.image_encoder.height, self.image_encoder.width


def times(x: Tensor, W: Tensor) -> Tensor:
    """x Wᵀ `(B, F)` for a few rows, as (W xᵀ)ᵀ: for 2 to 8 rows MKL takes half the time. Exported files keep the weight
    on the right, where 8 bits are expected."""
    return F.linear(x, W) if is_compiling() else (W @ x.T).T


def soft_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of logits `(B, A)` to the shares of the answers' scores; 0 for a question without any."""
    return F.cross_entropy(logits, labels / labels.sum(-1, keepdim=True).clamp_min(1e-6))


def coordinates(kind: bool | str, height: int, width: int) -> Tensor:
    """The coordinates of the N places, `(N, 2)`: (x, y) in [-1, 1]. With `cells` they are `(N, h + w)`: 2 in the
    channels of the place's row and column, about the size of the grid's numbers, else 0."""
    if kind == "cells":
        rows, columns = 2 * torch.eye(height), 2 * torch.eye(width)
        return torch.cat((columns.repeat(height, 1), rows.repeat_interleave(width, 0)), -1)
    sides = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in (height, width))
    y, x = torch.meshgrid(*sides, indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), -1)
