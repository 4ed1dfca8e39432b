"""Covered photos: where what a question names is hidden, the answer should be what one would say without the photo."""

import math
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.fitting.stages import first_stages
from vqa.evaluation.probes.deletion import region_size
from vqa.model.model import VQAModel


class Covers(nn.Module):
    """Hides a window in some photos of a batch, and changes the targets of the questions about what it hides.

    If a share f of the places of a question's boxes is hidden, its targets become (1 - f) · targets + f · p(answer |
    question), by the question-only head of the model from which the training starts (counterfactual samples, Chen et
    al. 2020). The window has the size of the region that the deletion probe covers.
    """

    filler: Tensor

    def __init__(self, net: VQAModel, share: float, stages: int):
        """share: of the photos that are covered. stages: how many stages of the image encoder are computed already."""
        super().__init__()
        self.share, self.grid_size = share, net.grid_size
        self.question_encoder, self.blind_head = deepcopy(net.question_encoder), deepcopy(net.blind_head)
        self.requires_grad_(False)
        size = net.config.image_size
        with torch.no_grad():  # the middle of a photo of one colour: no border is near
            plain = first_stages(net.image_encoder.eval(), torch.zeros(1, 3, size, size), stages)[0]
        side = math.isqrt(len(plain))
        self.register_buffer("filler", plain[side // 2 * side + side // 2].clone())

    def train(self, mode: bool = True) -> "Covers":
        return super().train(False)

    def forward(
        self, features: Tensor, places: Tensor, photo_index: Tensor, question: tuple[Tensor, Tensor], *targets: Tensor
    ) -> tuple[Tensor, ...]:
        """features: `(P, n, C)`, square maps that the image encoder computes; places `(B, h, w)`: those of each
        question's boxes; question: its words and their mask `(B, T)`; targets: `(B, A)` each.

        Returns all but the question: what remains of features, places and targets.
        """
        window = self.windows(places, photo_index, len(features))
        side = math.isqrt(features.shape[1])
        hidden = F.interpolate(window[:, None].float(), (side, side)).flatten(1).bool()
        features = torch.where(hidden[..., None], self.filler.to(features.dtype), features)
        visible = places * ~window[photo_index]
        inside = places.flatten(1).sum(1)
        share = ((inside - visible.flatten(1).sum(1)) / inside.clamp_min(1)).unsqueeze(1)
        with torch.no_grad():
            guess = self.blind_head(self.question_encoder(*question).vector).float().softmax(-1)
        return features, visible, *(torch.lerp(target, guess, share) for target in targets)

    def windows(self, places: Tensor, photo_index: Tensor, photos: int) -> Tensor:
        """`(P, h, w)`: the places that are hidden in each photo, in some of them near a place of one of its questions.

        Draws from torch's generator, which the training loop seeds at every step.
        """
        height, width = self.grid_size
        named = places.flatten(1) / places.flatten(1).sum(1, keepdim=True).clamp_min(1)
        weights = torch.full((photos, height * width), 1e-3, device=places.device).index_add(0, photo_index, named)
        centre = torch.multinomial(weights, 1)
        sides = region_size(self.grid_size)
        within = []
        for at, cells, side in zip((centre // width, centre % width), self.grid_size, sides, strict=True):
            first = (at - side // 2).clamp(0, cells - side)
            place = torch.arange(cells, device=places.device)
            within.append((place >= first) & (place < first + side))  # (P, h) and (P, w)
        covered = torch.rand(photos, 1, 1, device=places.device) < self.share
        return within[0][:, :, None] & within[1][:, None, :] & covered
