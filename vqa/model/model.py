"""The whole model on one screen: encode, look, join, score."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import ModelOutput
from transformers.modeling_utils import PreTrainedModel

from .attention import SpatialAttention
from .configuration import VQAConfig
from .fusion import Fusion
from .image_encoder import ImageEncoder
from .multi_attention import MultiAttention
from .question_encoder import QuestionEncoder

if TYPE_CHECKING:  # no import at run time: by these lines transformers copies the two files along with this one
    from .pipeline import VQAPipeline
    from .processing import VQAProcessor

__all__ = ["VQAModel", "VQAOutput", "VQAPipeline", "VQAProcessor"]


@dataclass
class VQAOutput(ModelOutput):
    """logits `(B, A)`; loss, a scalar, if labels were given; attention `(B, G, h, w)`, each map summing to 1;
    word_weights `(B, T)`; question `(B, H)`, its vector; states `(B, T, H)` of the recurrent core."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    attention: Tensor | None = None
    word_weights: Tensor | None = None
    question: Tensor | None = None
    states: Tensor | None = None


class VQAModel(PreTrainedModel):
    """CNN grid, recurrent question encoder, spatial attention, fusion, answer head.

    Two small heads stand beside the answer head and never reach its gradient: `blind_head` answers from the
    question alone, `image_only_head` from the photo alone. They say what a guess would be.
    """

    config_class = VQAConfig
    _auto_class = "AutoModelForVisualQuestionAnswering"  # saving copies this file and those that it imports
    config: VQAConfig
    base_model_prefix = "glimpse"
    main_input_name = "pixel_values"
    input_modalities = ["image", "text"]  # noqa: RUF012 (as in the base class)

    def __init__(self, config: VQAConfig):
        super().__init__(config)
        self.image_encoder = ImageEncoder(config.backbone, config.image_size)
        places = coordinates(config.coordinates, *self.grid_size).shape[-1] if config.coordinates else 0
        channels = self.image_encoder.channels + places
        self.question_encoder = QuestionEncoder(config)
        many = config.looks > 1
        self.attention = (
            MultiAttention(config, channels, *self.grid_size) if many else SpatialAttention(config, channels)
        )
        asked = config.question_size
        self.fusion = Fusion(config.fusion, self.attention.out_size, asked, config.fusion_size, config.dropout)
        answers = len(config.answers)
        self.answer_head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.fusion_size, answers))
        self.blind_head = mlp(asked, config.blind_size, answers, config.dropout)
        self.image_only_head = mlp(channels, config.image_only_size, answers, config.dropout)
        for head in (self.answer_head, self.blind_head, self.image_only_head):
            # before anything is learned, each of many answers is unlikely (Lin et al. 2017, section 3.3)
            nn.init.constant_(head[-1].get_parameter("bias"), -math.log(max(answers, 2)))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pixel_values: Tensor | None = None,
        grid: Tensor | None = None,
        photo_index: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> VQAOutput:
        """Score the answers.

        input_ids, attention_mask: `(B, T)`, padded on the right.
        pixel_values `(P, 3, S, S)` or grid `(P, N, D)` as `encode_image` gives it: exactly one of the two.
        photo_index: `(B,)`, the photo of each question; without it P = B and question i is about photo i.
        labels: `(B, A)` soft scores in [0, 1].
        """
        if grid is None:
            assert pixel_values is not None, "give pixel_values or grid"
            grid = self.encode_image(pixel_values)
        v = self.prepare(grid)
        q, word_weights, states = self.question_encoder(input_ids, attention_mask)
        logits, attention = self.score(v, q, photo_index)
        return VQAOutput(
            loss=None if labels is None else self.loss(logits, labels),
            logits=logits,
            attention=attention.unflatten(-1, self.grid_size),
            word_weights=word_weights,
            question=q,
            states=states,
        )

    def score(self, v: Tensor, q: Tensor, photo_index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Look, join, score: a prepared grid `v (P, N, D)` and question vectors `q (B, H)` to the answers' logits
        `(B, A)` and the attention `(B, G, N)`."""
        z, attention = self.attention(v, q, photo_index)
        return self.answer_head(self.fusion(z, q)).float(), attention

    def encode_image(self, pixel_values: Tensor) -> Tensor:
        """`(P, 3, S, S)` normalised pixels to the raw grid `(P, N, D)`, which is worth keeping."""
        return self.image_encoder(pixel_values)

    def prepare(self, grid: Tensor) -> Tensor:
        """The grid as the question sees it: each place's vector at the same length (Kazemi & Elqursh 2017), which is
        √D so that its numbers are about 1, if the configuration wants that, with the coordinates that it asks for."""
        grid = grid.to(self.fusion.project_a.weight.dtype)  # the CNN may run in another one
        if self.config.even_lengths:
            grid = F.normalize(grid, dim=-1) * math.sqrt(grid.shape[-1])
        if self.config.coordinates:
            place = coordinates(self.config.coordinates, *self.grid_size).to(grid)
            grid = torch.cat((grid, place.expand(grid.shape[0], -1, -1)), -1)
        return grid

    def blind_logits(self, question: Tensor) -> Tensor:
        """What would be answered without looking: question vectors `(B, H)` to logits `(B, A)`."""
        return self.blind_head(question).float()

    def image_only_logits(self, grid: Tensor) -> Tensor:
        """What would be answered without listening: raw grids `(P, N, D)` to logits `(P, A)`."""
        return self.image_only_head(self.prepare(grid).mean(1)).float()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the questions of the loss summed over the answers."""
        if self.config.loss == "sigmoid":
            return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(logits)
        shares = labels / labels.sum(-1, keepdim=True).clamp_min(1e-6)
        return F.cross_entropy(logits, shares)

    @property
    def grid_size(self) -> tuple[int, int]:
        """Height and width of the grid that attention is reported on."""
        return self.image_encoder.height, self.image_encoder.width

    def _init_weights(self, module: nn.Module) -> None:
        """Every module initialises itself as its paper says; transformers' default would overwrite that."""


def coordinates(kind: bool | str, height: int, width: int) -> Tensor:
    """Where each of the N places is, `(N, 2)`: (x, y) in [-1, 1]; of the kind `cells` `(N, h + w)`: 2, about as long as
    what was seen there, in the channels of its row and its column, else 0."""
    if kind == "cells":
        rows, columns = 2 * torch.eye(height), 2 * torch.eye(width)
        return torch.cat((columns.repeat(height, 1), rows.repeat_interleave(width, 0)), -1)
    sides = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in (height, width))
    y, x = torch.meshgrid(*sides, indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), -1)


def mlp(size: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    """One hidden layer: `(…, size)` to `(…, out)`."""
    return nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out))
