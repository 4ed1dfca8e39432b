"""Knowledge distillation: finished models answer every training question once, and their mean probabilities are learned
as soft targets (Hinton et al. 2015)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.fitting.batches import Questions, SoftTargets, photo_batches
from train.fitting.loop import Batch
from train.fitting.photos import LoadPhotos, Squares
from train.fitting.stages import later_stages, stages_made_by
from train.fitting.surgery import extend
from vqa.checkpoint.load import load_checkpoint
from vqa.data.parallel import prefetch
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor, VQAProcessor

LIKELIEST = 100  # answers a question that are stored; the rest has next to no probability


@dataclass
class Teacher:
    """A finished model. photos: loads its own photo input for rows of the training photos, where that is not the
    student's."""

    net: VQAModel
    image_processor: VQAImageProcessor
    photos: LoadPhotos | None = None
    stages: int = 0

    def probabilities(self, batch: Batch) -> Tensor:
        """Those of the answers `(B, A)`, for a batch with its photos' `grid` (or what the first `stages` of the image
        encoder compute) or `squares`."""
        questions = {name: batch[name] for name in ("input_ids", "attention_mask", "photo_index")}
        if "grid" in batch:
            grid = later_stages(self.net.image_encoder, batch["grid"], self.stages) if self.stages else batch["grid"]
            return self.net(**questions, grid=grid).logits.softmax(-1)
        pixel_values = self.image_processor.normalize(batch["squares"])
        return self.net(**questions, pixel_values=pixel_values).logits.softmax(-1)


def read_teacher(
    folder: str,
    net: VQAModel,
    processor: VQAProcessor,
    made_by: dict[str, Any] | None,
    photos: list[str],
    stages: int = 0,
) -> Teacher:
    """The model in `folder`. Its photo input is that of `net` where this fits, a store's grids (made by `made_by`) or
    pixels, or else it reads `photos` itself. It may lack the last words and answers of `net`.

    Raises `InputError` if it has other words or other answers than `net`.
    """
    teacher, its = load_checkpoint(folder)
    vocabulary, answers = processor.tokenizer.get_vocab(), net.config.answers
    same = {
        "words": its.tokenizer.get_vocab().items() <= vocabulary.items(),
        "answers": teacher.config.answers == answers[: len(teacher.config.answers)],
    }
    for what, equal in same.items():
        if not equal:
            raise InputError(f"The teacher in {folder} has other {what} than the model; train it from the same data.")
    backbone, reader = teacher.config.backbone, its.image_processor
    if made_by is None:
        shared = reader.size == processor.image_processor.size
    else:
        shared = stages_made_by(teacher.image_encoder, stages, backbone, reader) == made_by
    teacher = extend(teacher, len(vocabulary), answers).requires_grad_(False)
    return Teacher(teacher, reader, stages=stages) if shared else Teacher(teacher, reader, Squares(photos, reader))


@torch.inference_mode()
def mean_probabilities(
    teachers: Sequence[Teacher], questions: Questions, photos: LoadPhotos, size: int, device: torch.device
) -> SoftTargets:
    """The teachers' mean probabilities for all questions, in batches of about `size`.

    photos: loads the student's photo input.
    """
    batches = photo_batches(questions.photo, size)

    def inputs() -> Iterator[list[Batch]]:
        for chosen in batches:
            batch = questions.batch(chosen)
            rows = batch["rows"].numpy()
            shared = photos(rows)
            yield [batch | (teacher.photos(rows) if teacher.photos else shared) for teacher in teachers]

    answers = teachers[0].net.config.answers
    shape = (len(questions), min(LIKELIEST, len(answers)))
    targets = SoftTargets(np.zeros(shape, np.int32), np.zeros(shape, np.float16), len(answers))
    for teacher in teachers:
        torch.nn.Module.to(teacher.net, device).eval()  # transformers' own .to has lost its types
    for chosen, loaded in zip(batches, prefetch(inputs()), strict=True):
        moved = [{name: value.to(device) for name, value in batch.items()} for batch in loaded]
        pairs = zip(teachers, moved, strict=True)
        mean = torch.stack([teacher.probabilities(batch) for teacher, batch in pairs]).mean(0)
        if questions.untaught is not None:
            own = torch.from_numpy(questions.untaught[chosen]).to(device)
            labels = moved[0]["labels"][own]
            mean[own] = labels / labels.sum(-1, keepdim=True).clamp_min(1e-6)
        best = mean.topk(shape[1])
        targets.answers[chosen] = best.indices.cpu().numpy()
        targets.probabilities[chosen] = (best.values / best.values.sum(-1, keepdim=True).clamp_min(1e-6)).cpu().numpy()
    for teacher in teachers:
        teacher.net.cpu()
    return targets
