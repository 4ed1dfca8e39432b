"""Soft targets from teachers."""

import numpy as np
import torch
from torch import Tensor

from train.fitting.batches import Questions, SoftTargets
from train.fitting.distillation import Teacher, mean_probabilities
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor


def test_targets_are_the_mean_probabilities_of_the_teachers(net: VQAModel) -> None:
    torch.manual_seed(1)
    teachers = [Teacher(VQAModel(net.config).eval(), VQAImageProcessor(16)) for _ in range(2)]
    ids = torch.tensor([[2, 3], [4, 5], [3, 3], [5, 2], [2, 2]])
    photos = torch.randint(0, 255, (5, 16, 16, 3), dtype=torch.uint8)
    none, scores, same = np.zeros(6, np.int64), np.zeros(0, np.float32), torch.arange(9)
    questions = Questions([], np.arange(5), ids.int(), torch.full((5,), 2), none, none[:0], scores, same, same[:3])

    def load(rows: np.ndarray, mirror: np.ndarray | None = None) -> dict[str, Tensor]:
        return {"squares": photos[rows]}

    teachers[1].photos = load  # its own input, here the same photos
    targets = mean_probabilities(teachers, questions, load, 2, torch.device("cpu"))
    pixels = VQAImageProcessor(16).normalize(photos)
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        each = [t.net(ids, mask, pixel_values=pixels).logits.softmax(-1) for t in teachers]
    chosen = np.array([4, 1])
    torch.testing.assert_close(targets.batch(chosen), sum(each)[chosen] / 2, atol=1e-3, rtol=0)
    stored = questions.batch(chosen) | {"grid": teachers[0].net.encode_image(pixels)[np.unique(chosen)]}
    torch.testing.assert_close(teachers[0].probabilities(stored), each[0][chosen])


def test_only_the_likeliest_answers_are_stored() -> None:
    answers, probabilities = np.array([[7, 1], [0, 3]], np.int32), np.array([[0.75, 0.25], [0.5, 0.5]], np.float16)
    whole = SoftTargets(answers, probabilities, 1000).batch(np.array([1, 0]))
    assert whole.shape == (2, 1000) and whole[0, 3] == 0.5 and whole[1, 7] == 0.75
    torch.testing.assert_close(whole.sum(1), torch.ones(2))
