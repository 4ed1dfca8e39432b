"""What teachers say: finished models answer every training question once, and a model learns from their certainty."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqa.data.parallel import prefetch
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor

MOST = 100  # answers a question that are kept; the rest has next to no probability
Batch = dict[str, Tensor]


@dataclass
class Teacher:
    """A finished model. photos: rows of the training photos to its own photo input, where it sees them otherwise than
    the model that learns."""

    net: VQAModel
    image_processor: VQAImageProcessor
    photos: Callable[[np.ndarray], Batch] | None = None

    def shares(self, asked: Batch) -> Tensor:
        """The probabilities of the answers `(B, A)`, for a batch with its photos' `grid` or `squares`."""
        words = {name: asked[name] for name in ("input_ids", "attention_mask", "photo_index")}
        if "grid" in asked:
            return self.net(**words, grid=asked["grid"]).logits.softmax(-1)
        pixel_values = self.image_processor.normalize(asked["squares"])
        return self.net(**words, pixel_values=pixel_values).logits.softmax(-1)


@dataclass
class Taught:
    """The likeliest answers of Q questions `(Q, k)` and their mean probabilities `(Q, k)`, half precision: 600 bytes a
    question, however many answers there are."""

    answers: np.ndarray
    shares: np.ndarray
    size: int

    def batch(self, chosen: np.ndarray) -> Tensor:
        """The probabilities of all answers `(B, A)` for the questions `chosen (B,)`."""
        whole = torch.zeros(len(chosen), self.size)
        answers, shares = (torch.from_numpy(part[chosen]) for part in (self.answers, self.shares))
        return whole.scatter_(1, answers.long(), shares.float())


@torch.inference_mode()
def ask_teachers(
    teachers: Sequence[Teacher],
    photo: np.ndarray,
    batches: Sequence[np.ndarray],
    load: Callable[[np.ndarray], Batch],
    device: torch.device,
) -> Taught:
    """The teachers' mean probabilities for Q questions, each of which stands in one of the `batches`.

    photo: `(Q,)`, each question's row among the photos; load: question numbers to the inputs of the model that learns.
    """

    def inputs() -> Iterator[list[Batch]]:
        for chosen in batches:
            batch, rows = load(chosen), np.unique(photo[chosen])
            seen = {name: value for name, value in batch.items() if name not in ("grid", "squares")}
            yield [batch if teacher.photos is None else seen | teacher.photos(rows) for teacher in teachers]

    answers = teachers[0].net.config.answers
    shape = (len(photo), min(MOST, len(answers)))
    taught = Taught(np.zeros(shape, np.int32), np.zeros(shape, np.float16), len(answers))
    for teacher in teachers:
        torch.nn.Module.to(teacher.net, device).eval()  # transformers' own .to has lost its types
    for chosen, asked in zip(batches, prefetch(inputs()), strict=True):
        moved = [{name: value.to(device) for name, value in batch.items()} for batch in asked]
        pairs = zip(teachers, moved, strict=True)
        most = torch.stack([teacher.shares(batch) for teacher, batch in pairs]).mean(0).topk(shape[1])
        taught.answers[chosen] = most.indices.cpu().numpy()
        taught.shares[chosen] = (most.values / most.values.sum(-1, keepdim=True)).cpu().numpy()
    for teacher in teachers:
        teacher.net.cpu()
    return taught
