"""Knowledge distillation: finished models answer every training question once, and their mean probabilities are learned
as soft targets (Hinton et al. 2015)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqa.data.parallel import prefetch
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor

LIKELIEST = 100  # answers a question that are stored; the rest has next to no probability
Batch = dict[str, Tensor]


@dataclass
class Teacher:
    """A finished model. photos: loads its own photo input for rows of the training photos, where that is not the
    student's."""

    net: VQAModel
    image_processor: VQAImageProcessor
    photos: Callable[[np.ndarray], Batch] | None = None

    def probabilities(self, batch: Batch) -> Tensor:
        """Those of the answers `(B, A)`, for a batch with its photos' `grid` or `squares`."""
        questions = {name: batch[name] for name in ("input_ids", "attention_mask", "photo_index")}
        if "grid" in batch:
            return self.net(**questions, grid=batch["grid"]).logits.softmax(-1)
        pixel_values = self.image_processor.normalize(batch["squares"])
        return self.net(**questions, pixel_values=pixel_values).logits.softmax(-1)


@dataclass
class SoftTargets:
    """The likeliest answers of Q questions `(Q, k)` and their mean probabilities `(Q, k)` in half precision: 600 bytes
    a question. size: of the answer vocabulary."""

    answers: np.ndarray
    probabilities: np.ndarray
    size: int

    def batch(self, chosen: np.ndarray) -> Tensor:
        """The probabilities of all answers `(B, A)` for the questions `chosen (B,)`."""
        dense = torch.zeros(len(chosen), self.size)
        answers, probabilities = (torch.from_numpy(part[chosen]) for part in (self.answers, self.probabilities))
        return dense.scatter_(1, answers.long(), probabilities.float())


@torch.inference_mode()
def mean_probabilities(
    teachers: Sequence[Teacher],
    photo: np.ndarray,
    batches: Sequence[np.ndarray],
    load: Callable[[np.ndarray], Batch],
    device: torch.device,
) -> SoftTargets:
    """The teachers' mean probabilities for Q questions, each of which is in one of the `batches`.

    photo: `(Q,)`, each question's row among the photos; load: question numbers to the student's inputs.
    """

    def inputs() -> Iterator[list[Batch]]:
        for chosen in batches:
            batch, rows = load(chosen), np.unique(photo[chosen])
            questions = {name: value for name, value in batch.items() if name not in ("grid", "squares")}
            yield [batch if teacher.photos is None else questions | teacher.photos(rows) for teacher in teachers]

    answers = teachers[0].net.config.answers
    shape = (len(photo), min(LIKELIEST, len(answers)))
    targets = SoftTargets(np.zeros(shape, np.int32), np.zeros(shape, np.float16), len(answers))
    for teacher in teachers:
        torch.nn.Module.to(teacher.net, device).eval()  # transformers' own .to has lost its types
    for chosen, loaded in zip(batches, prefetch(inputs()), strict=True):
        moved = [{name: value.to(device) for name, value in batch.items()} for batch in loaded]
        pairs = zip(teachers, moved, strict=True)
        best = torch.stack([teacher.probabilities(batch) for teacher, batch in pairs]).mean(0).topk(shape[1])
        targets.answers[chosen] = best.indices.cpu().numpy()
        targets.probabilities[chosen] = (best.values / best.values.sum(-1, keepdim=True)).cpu().numpy()
    for teacher in teachers:
        teacher.net.cpu()
    return targets
