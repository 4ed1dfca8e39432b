"""A member learns from up to some ten thousand questions; the grids of their photos are read from a store."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from train.fitting.batches import Questions, SoftTargets, photo_batches
from train.fitting.photos import LoadPhotos, stored_grids
from train.fitting.state import Average
from train.own.members import Member, continued
from train.own.words import answer_vectors, join_rows, share_rows
from vqa.data.examples import Example
from vqa.data.features import FeatureStore
from vqa.model.device import fast_dtype
from vqa.model.model import VQAModel
from vqa.model.net import soft_cross_entropy
from vqa.model.processing import VQAProcessor

BATCH = 64
AVERAGE = 0.99  # decay of the moving average of the weights
RECALLED = 16  # answers of the start model that are learned from, the likeliest
COOLING = 0.3  # share of the passes, the last ones, in which the learning rate falls
FAST = fast_dtype(torch.device("cpu")) is torch.bfloat16
Logits = tuple[Tensor, Tensor, Tensor]
"""Those `(Q, A)` of the answer, of the guess without the photo and of the guess without the question."""


@dataclass(frozen=True)
class Recipe:
    """How a kind of member learns: its highest learning rate, the most passes over the questions, the length of the
    answers' vectors (`train.own.words`), and the weight of the start model's answers beside the right ones."""

    rate: float
    passes: int
    sharing: float = 1.0
    recall: float = 1.0


class Material:
    """The questions, as arrays, and the prepared grids of their photos in `folder`.

    start_answers: how many of the answers of `net`, the first ones, are those of the start model.
    """

    def __init__(
        self,
        net: VQAModel,
        processor: VQAProcessor,
        start_answers: int,
        examples: Sequence[Example],
        folder: str,
        store: FeatureStore,
    ):
        index = {answer: number for number, answer in enumerate(net.config.answers)}
        self.net, self.start_answers, self.examples = net, start_answers, examples
        self.vectors = answer_vectors(net, processor)
        self.questions = Questions.build(examples, index, processor)
        self.grids: LoadPhotos = stored_grids(self.questions.photos, [folder], store)
        self.photo = self.questions.photo

    def __len__(self) -> int:
        return len(self.questions)

    def batches(self, chosen: np.ndarray, order: np.random.Generator | None = None) -> Iterator[np.ndarray]:
        """The chosen questions in batches that keep each photo's questions together."""
        _, photo = np.unique(self.photo[chosen], return_inverse=True)
        return (chosen[part] for part in photo_batches(photo, BATCH, order))

    def labels(self, chosen: np.ndarray) -> Tensor:
        """The answers' scores `(Q, A)`."""
        return self.questions.batch(chosen)["labels"]

    def own(self, chosen: np.ndarray) -> Tensor:
        """`(A,)`: the answers to the chosen questions."""
        own, asked = torch.zeros(len(self.net.config.answers), dtype=torch.bool), np.zeros(len(self), dtype=bool)
        asked[chosen] = True
        own[torch.from_numpy(self.questions.labels[np.repeat(asked, np.diff(self.questions.starts))])] = True
        return own

    def batch(self, chosen: np.ndarray) -> tuple[dict[str, Tensor], Tensor]:
        """The inputs of a member, and the answers' scores `(B, A)`."""
        batch = self.questions.batch(chosen)
        grid = self.grids(batch["rows"].numpy())["grid"]
        names = ("input_ids", "attention_mask", "photo_index")
        return {"grid": self.net.prepare(grid)} | {name: batch[name] for name in names}, batch["labels"]


class Recall:
    """What the start model answers to the chosen questions, of its answers those that are right for one of them. A
    member that learns these too forgets less (Li & Hoiem 2016, Learning without forgetting).

    The start model reads a question when it is first learned from.
    """

    def __init__(self, material: Material, chosen: np.ndarray):
        self.start, self.own = continued(material.net).eval(), material.own(chosen)
        self.own[material.start_answers :] = False
        size = len(material), min(RECALLED, len(self.own))
        self.known = SoftTargets(np.zeros(size, np.int64), np.zeros(size, np.float32), len(self.own))
        self.read = np.zeros(len(material), dtype=bool)

    @torch.no_grad()
    def __call__(self, part: np.ndarray, inputs: dict[str, Tensor]) -> Tensor:
        """The probabilities `(B, A)` for a batch of the questions."""
        if not self.read[part].all():
            known = (self.start(**inputs)[0].float().softmax(1) * self.own).topk(self.known.answers.shape[1])
            self.known.answers[part], self.known.probabilities[part] = known.indices.numpy(), known.values.numpy()
            self.read[part] = True
        return self.known.batch(part)


def fit(
    member: Member,
    material: Material,
    chosen: np.ndarray,
    recipe: Recipe,
    seed: int,
    seconds: float = math.inf,
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Train on the `chosen` questions, and leave the moving average of the weights in the member; returns the passes.

    The passes are fewer than the recipe's if those would last more than `seconds`; over the last `COOLING` of them the
    learning rate falls to zero (Hu et al. 2024). The held-out loss does not end the training: it stays level while
    further passes still raise the accuracy. A single pass is made in any case. advance: called after each batch.
    """
    order, steps, passes = np.random.default_rng((seed, 11)), -(-len(chosen) // BATCH), recipe.passes
    torch.manual_seed(seed)
    share_rows(member, recipe.sharing * material.vectors)
    member.train()
    parameters = [parameter for parameter in member.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=1e-4, fused=True)
    average, start, number, step = Average(member, AVERAGE), time.perf_counter(), 0, 0
    recall = Recall(material, chosen) if recipe.recall else None
    while number < passes:
        for part in material.batches(chosen, order):
            inputs, labels = material.batch(part)
            left = 1 - step / (steps * passes)
            optimizer.param_groups[0]["lr"] = recipe.rate * min(1.0, (step + 1) / steps, left / COOLING)
            with torch.autocast("cpu", torch.bfloat16, enabled=FAST):
                heads = member(**inputs)
                if recall:
                    known = recall(part, inputs)
                    labels = labels / labels.sum(1, keepdim=True).clamp_min(1e-6) + recipe.recall * known
            value = sum((soft_cross_entropy(logits.float(), labels) for logits in heads), torch.zeros(()))
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            average.update(step)
            advance()
        number += 1
        passes = max(number, int(min(recipe.passes, seconds * number / (time.perf_counter() - start))))
    average.swap()
    join_rows(member)
    return passes


@torch.inference_mode()
def predict(member: Member, material: Material, chosen: np.ndarray) -> Logits:
    """The logits for the `chosen` questions, in their order."""
    member.eval()
    parts, rows = [], []
    for part in material.batches(chosen):
        parts.append(member(**material.batch(part)[0]))
        rows.append(part)
    place = {row: i for i, row in enumerate(np.concatenate(rows).tolist())}
    back = [place[row] for row in chosen.tolist()]
    answer, blind, image_only = (torch.cat(logits)[back].float() for logits in zip(*parts, strict=True))
    return answer, blind, image_only
