"""What follows attention: the fusion of two vectors, and the heads that score the answers."""

import math

from torch import Tensor, nn


class Fusion(nn.Module):
    """Join `a (…, A)` and `b (…, B)` into `(…, F)`; leading dimensions broadcast.

        product:  relu(W_a a) ⊙ relu(W_b b)          (Anderson et al. 2018, with ReLU for the gated tanh)
        concat:   relu(W [a; b]) = relu(W_a a + W_b b)

    A matrix times a concatenation is the sum of two products, so both forms project each side once: for the
    attention this means that a photo's grid is projected once, however many questions are asked about it.
    """

    def __init__(self, kind: str, a_size: int, b_size: int, size: int, dropout: float = 0.0):
        super().__init__()
        self.kind = kind
        self.dropout = nn.Dropout(dropout)
        self.project_a = nn.Linear(a_size, size)
        self.project_b = nn.Linear(b_size, size, bias=kind == "product")

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.join(self.side_a(a), self.side_b(b))

    def side_a(self, a: Tensor) -> Tensor:
        """The part that depends on `a` alone."""
        return self.activate(self.project_a(self.dropout(a)))

    def side_b(self, b: Tensor) -> Tensor:
        """The part that depends on `b` alone."""
        return self.activate(self.project_b(self.dropout(b)))

    def activate(self, side: Tensor) -> Tensor:
        """A side from its projection."""
        return side.relu() if self.kind == "product" else side

    def join(self, side_a: Tensor, side_b: Tensor) -> Tensor:
        """`(…, F)` from the two sides."""
        return side_a * side_b if self.kind == "product" else (side_a + side_b).relu()


def answer_head(size: int, answers: int, dropout: float) -> nn.Sequential:
    """`(…, size)` to the logits `(…, A)`. Each answer starts with probability 1 / A (Lin et al. 2017, section 3.3)."""
    return _head(nn.Dropout(dropout), nn.Linear(size, answers))


def guess_head(size: int, hidden_size: int, answers: int, dropout: float) -> nn.Sequential:
    """A baseline's head, with one hidden layer: `(…, size)` to the logits `(…, A)`."""
    return _head(nn.Linear(size, hidden_size), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden_size, answers))


def _head(*layers: nn.Module) -> nn.Sequential:
    bias = layers[-1].get_parameter("bias")
    nn.init.constant_(bias, -math.log(max(len(bias), 2)))
    return nn.Sequential(*layers)
