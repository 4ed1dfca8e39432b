"""ViLT: words and patches through one transformer, answers as classes (Kim et al. 2021)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import ViltForQuestionAnswering, ViltProcessor

from vqa.foreign.model import Reply

SEED = 0


class Patches(NamedTuple):
    """The embedded patches `(1, 1 + L, D)` of a photo, [CLS] first, their mask `(1, 1 + L)`, the row and column of each
    `(L, 2)`, and the rows and columns of the whole grid."""

    embedded: Tensor
    mask: Tensor
    place: Tensor
    size: tuple[int, int]


class Adapter:
    """A `ViltForQuestionAnswering` with its `ViltProcessor`."""

    note = "Its scores are sigmoids, one for each answer."
    photos = 16
    blind = False
    classes = (ViltForQuestionAnswering, ViltProcessor)

    def __init__(self, net: Any, processor: Any):  # whose parts and settings transformers leaves untyped
        self.net, self.processor = net, processor
        names: dict[int, str] = self.net.config.id2label
        self.answers: list[str] = [names[i] for i in range(len(names))]

    def encode(self, photo: Image.Image) -> Patches:
        """The photo's patches. ViLT samples them in a random order, so their places are returned with them."""
        inputs: Any = self.processor.image_processor(photo, return_tensors="pt").to(self.net.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            embedded, mask, (place, size) = self.net.vilt.embeddings.visual_embed(
                inputs["pixel_values"], inputs["pixel_mask"], self.net.config.max_image_length
            )
        return Patches(embedded, mask, place[0], size)

    def ask(self, encoded: Patches, questions: Sequence[str], top: int) -> list[Reply]:
        """The best of the sigmoids; the attention of the last layer from [CLS] to the patches, over all heads."""
        return [self._reply(encoded, self._output(encoded, question), top) for question in questions]

    def score(self, encoded: Patches, question: str, answers: Sequence[str]) -> list[float]:
        """The sigmoids of these answers; 0 for one that it does not have."""
        scores = self._output(encoded, question).logits[0].float().sigmoid().tolist()
        known = dict(zip(self.answers, scores, strict=True))
        return [known.get(answer, 0.0) for answer in answers]

    def _output(self, encoded: Patches, question: str) -> Any:
        limit = self.net.config.max_position_embeddings
        text = self.processor.tokenizer(question, truncation=True, max_length=limit, return_tensors="pt")
        return self.net(
            **text.to(self.net.device), image_embeds=encoded.embedded, pixel_mask=encoded.mask, output_attentions=True
        )

    def _reply(self, encoded: Patches, output: Any, top: int) -> Reply:
        scores, best = output.logits[0].float().sigmoid().topk(min(top, len(self.answers)))
        weights = output.attentions[-1][0, :, 0, -len(encoded.place) :].float().mean(0).cpu().numpy()
        grid = np.zeros(encoded.size)
        rows, columns = encoded.place.cpu().numpy().T
        np.add.at(grid, (rows, columns), weights)
        ranked = [(self.answers[i], score) for i, score in zip(best.tolist(), scores.tolist(), strict=True)]
        return Reply(ranked, grid / grid.sum())
