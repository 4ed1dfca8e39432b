"""Beam search, for every model that writes a piece at a time and looks somewhere for each."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Reads the last piece of K ways to write each of B texts, numbers `(B, K)`, and `rows (B, K)`, the one of the ways
before that each goes on from. Gives log-probabilities of the next piece `(B, K, V)`, and over N places where the model
looked `(B, K, N)`."""


class Beams(NamedTuple):
    """The best K ways to write each of B texts, the best first.

    ids: `(B, K, T)`, padded after the end; scores: log-probabilities `(B, K, T)`, 0 at padding; total: `(B, K)`, of the
    whole; attention: `(B, K, T, N)`.
    """

    ids: Tensor
    scores: Tensor
    total: Tensor
    attention: Tensor


@torch.inference_mode()
def search(step: Step, start: Tensor, beam: int, most: int, end: int, padding: int) -> Beams:
    """Keep the `beam` likeliest of each text at every step; with beam 1 the likeliest piece each time.

    start: the first piece of each text `(B,)`; most: pieces at most, the end not counted.
    """
    last = start.unsqueeze(1)
    rows, ids = torch.zeros_like(last), last.new_zeros(*last.shape, 0)
    done = torch.zeros_like(last, dtype=torch.bool)
    for t in range(most + 1):
        chances, looked = step(last, rows)
        if t == 0:
            total = chances.new_zeros(last.shape)
            scores, attention = chances.new_zeros(ids.shape), looked.new_zeros(*ids.shape, looked.shape[-1])
        size = chances.shape[-1]
        if t == most:
            chances = chances.masked_fill(torch.arange(size, device=last.device) != end, float("-inf"))
        # What has ended goes on with padding, at no cost, and takes one place.
        rest = torch.full_like(chances[0, 0], float("-inf")).index_fill(0, last.new_tensor([padding]), 0)
        chances = torch.where(done.unsqueeze(-1), rest, chances)
        totals = (total.unsqueeze(-1) + chances).flatten(1)
        total, place = totals.topk(min(beam, totals.shape[1]))
        rows, last = place // size, place % size
        chance = chances.flatten(1).gather(1, place)
        ids = torch.cat((taken(ids, rows), last.unsqueeze(-1)), -1)
        scores = torch.cat((taken(scores, rows), chance.unsqueeze(-1)), -1)
        attention = torch.cat((taken(attention, rows), taken(looked, rows).unsqueeze(2)), 2)
        done = (last == end) | (last == padding)
        if done.all():
            break
    return Beams(ids, scores, total, attention)


def taken(values: Tensor, rows: Tensor) -> Tensor:
    """The values `(B, K, …)` of the chosen of K, by rows `(B, J)`: `(B, J, …)`."""
    return values[torch.arange(len(rows), device=rows.device).unsqueeze(1), rows]
