"""Heads: the last layers, which end in the logits of the answers."""

import math

from torch import nn


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
