"""Answers of similar words learn together: most answers of a small table occur once, and would hardly be learned.

After Hu, Chao & Sha 2018 (Learning answer embeddings for visual question answering), beside a row for each answer.
"""

import math

import torch
from torch import Tensor, nn

from train.fitting.surgery import HEADS
from train.own.members import Member
from vqa.model.model import VQAModel
from vqa.model.processing import VQAProcessor

SHARPNESS = 20.0  # of the weights with which a new answer starts like similar known ones


def answer_vectors(net: VQAModel, processor: VQAProcessor) -> Tensor:
    """`(A, E)`: the direction of each answer, the mean of its words' vectors in the question encoder less that of all
    answers; 0 for an answer without known words."""
    words = net.question_encoder.embedding.weight.detach()
    known = (words != words[1]).any(1).tolist()  # a new word starts as the unknown word, which has number 1
    vectors = words.new_zeros(len(net.config.answers), words.shape[1])
    for vector, numbers in zip(vectors, processor.tokenizer(list(net.config.answers))["input_ids"], strict=True):
        if some := [number for number in numbers if known[number]]:
            vector.copy_(words[some].mean(0))
    any_known = vectors.any(1)
    vectors[any_known] -= vectors[any_known].mean(0)
    return nn.functional.normalize(vectors)


@torch.no_grad()
def start_new_answers(net: VQAModel, vectors: Tensor, count: int) -> None:
    """Give each answer of `net` after the first `count` the mean of the rows of these, weighted by similarity."""
    weights = (SHARPNESS * vectors[count:] @ vectors[:count].T).softmax(1)
    for head in HEADS:
        rows = getattr(net, head)[-1].weight
        rows[count:] = weights @ rows[:count]


class SharedRows(nn.Module):
    """A head's last layer, `(…, H)` to logits `(…, A)`, which learns (W + V S) x + b instead of W x + b: what it learns
    in S, `(E, H)`, about the direction of an answer's words in V, `(A, E)`, it learns for all answers of similar words.

    new: S starts as random as the rows of a new layer, instead of 0.
    """

    def __init__(self, layer: nn.Linear, vectors: Tensor, new: bool = False):
        super().__init__()
        self.layer, self.shared = layer, nn.Parameter(vectors.new_zeros(vectors.shape[1], layer.in_features))
        self.vectors = vectors  # no buffer, as these would be averaged over the steps
        if new:
            nn.init.kaiming_uniform_(self.shared, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + x @ self.shared.T @ self.vectors.T

    @torch.no_grad()
    def joined(self) -> nn.Linear:
        """The layer with the weights W + V S."""
        self.layer.weight += self.vectors @ self.shared
        return self.layer


def share_rows(member: Member, vectors: Tensor) -> None:
    """Let the heads of a member learn for answers of similar `vectors` together, a new one's from a random S on."""
    for head in HEADS:
        getattr(member, head)[-1] = SharedRows(getattr(member, head)[-1], vectors, new=member.residual)


def join_rows(member: Member) -> None:
    """Undo `share_rows`; the member's logits remain."""
    for head in HEADS:
        getattr(member, head)[-1] = getattr(member, head)[-1].joined()
