"""What is learned in each phase, as modules whose forward takes a batch and returns the loss."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.fitting.augment import augment
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor


class Objective(nn.Module):
    """A loss in which only the named `parts` of the model learn; the others stay in evaluation mode."""

    parts: Sequence[str]

    def __init__(self, net: VQAModel, image_processor: VQAImageProcessor, parts: Sequence[str]):
        super().__init__()
        self.net, self.parts = net, parts
        self.normalize = image_processor.normalize
        self.augment = False
        self.norms = True
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in parts)

    def train(self, mode: bool = True) -> "Objective":
        super().train(False)
        for part in self.parts:
            getattr(self.net, part).train(mode)
        if not self.norms:  # few photos a step would make poor statistics
            self.net.image_encoder.eval()
        self.training = mode
        return self

    def pixels(self, squares: Tensor) -> Tensor:
        """`(P, S, S, 3)` bytes to the encoder's input, augmented in training."""
        pixel_values = self.normalize(squares)
        if self.augment and self.training:
            pixel_values = augment(pixel_values)
        return pixel_values.contiguous(memory_format=torch.channels_last)  # convolutions are much faster so

    def grid(self, grid: Tensor | None = None, squares: Tensor | None = None) -> Tensor:
        """The photos' grids, given or computed."""
        if grid is not None:
            return grid
        assert squares is not None
        return self.net.encode_image(self.pixels(squares))

    def freeze(self, stages: int) -> None:
        """Let the first `stages` of the image encoder keep their weights, and all of it its batch norms' statistics."""
        self.norms = False
        for stage in self.net.image_encoder.stages()[:stages]:
            stage.requires_grad_(False)


class Answering(Objective):
    """The model itself: binary cross-entropy (or softmax) on the answers' soft scores.

    Where a batch has what teachers say, the share `trust` of the loss is the cross-entropy to their mean probabilities,
    which tell how near the other answers were (Hinton et al. 2015).
    """

    trust: float = 0.0

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        photo_index: Tensor,
        labels: Tensor,
        taught: Tensor | None = None,
        **photos: Tensor,
    ) -> Tensor:
        """labels, taught: `(B, A)`, soft scores and probabilities; the photos as in `grid`; the rest as the model's."""
        output = self.net(input_ids, attention_mask, grid=self.grid(**photos), photo_index=photo_index, labels=labels)
        if taught is None:
            return output.loss
        return (1 - self.trust) * output.loss + self.trust * F.cross_entropy(output.logits, taught)


class Text(Objective):
    """Questions with answers but no photo, through the question encoder and the blind head."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        question = self.net.question_encoder(input_ids, attention_mask).vector
        return self.net.loss(self.net.blind_logits(question), labels)


class SideHeads(Objective):
    """The two heads that guess, one without the photo and one without the question, on the finished encoders."""

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, photo_index: Tensor, labels: Tensor, **photos: Tensor
    ) -> Tensor:
        with torch.no_grad():
            question = self.net.question_encoder(input_ids, attention_mask).vector
            grid = self.grid(**photos)
        seen = self.net.image_only_logits(grid)[photo_index]
        return self.net.loss(self.net.blind_logits(question), labels) + self.net.loss(seen, labels)
