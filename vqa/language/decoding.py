"""Decoding: beam search and sampling, for every model that writes a piece of text at a time."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vqa.model.errors import InputError

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Reads the last piece of K hypotheses for each of B texts, numbers `(B, K)`, and `rows (B, K)`, the earlier hypothesis
that each continues. Returns log-probabilities of the next piece `(B, K, V)` and attention over N places `(B, K, N)`."""


class Decoded(NamedTuple):
    """K hypotheses for each of B texts, the best first.

    ids: `(B, K, T)`, padded after the end; scores: log-probabilities `(B, K, T)`, 0 at padding; attention:
    `(B, K, T, N)`.
    """

    ids: Tensor
    scores: Tensor
    attention: Tensor

    def total(self) -> Tensor:
        """The log-probability of each whole text, its end included: `(B, K)`."""
        return self.scores.sum(-1)


@torch.inference_mode()
def beam_search(step: Step, start: Tensor, beam: int, most: int, end: int, padding: int) -> Decoded:
    """Keep the `beam` most probable hypotheses of each text at every step; beam 1 is greedy search.

    start: the first piece of each text `(B,)`; most: the most pieces, without the end.
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
        # A finished hypothesis continues with padding at no cost and occupies one place.
        rest = torch.full_like(chances[0, 0], float("-inf")).index_fill(0, last.new_tensor([padding]), 0)
        chances = torch.where(done.unsqueeze(-1), rest, chances)
        totals = (total.unsqueeze(-1) + chances).flatten(1)
        total, place = totals.topk(min(beam, totals.shape[1]))
        rows, last = place // size, place % size
        chance = chances.flatten(1).gather(1, place)
        ids = torch.cat((gathered(ids, rows), last.unsqueeze(-1)), -1)
        scores = torch.cat((gathered(scores, rows), chance.unsqueeze(-1)), -1)
        attention = torch.cat((gathered(attention, rows), gathered(looked, rows).unsqueeze(2)), 2)
        done = (last == end) | (last == padding)
        if done.all():
            break
    return Decoded(ids, scores, attention)


def sample(
    step: Step,
    start: Tensor,
    most: int,
    end: int,
    padding: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Decoded:
    """Draw each piece of one hypothesis; arguments as for `beam_search`.

    temperature: below 1 more probable pieces, 0 the most probable one; top_p: draw only among the most probable pieces
    that together have this probability (nucleus sampling, Holtzman et al. 2020). Scores are at temperature 1.
    Raises `InputError` for a temperature or a seed out of range.
    """
    if temperature != 0 and not 0.001 <= temperature <= 1000:
        raise InputError(f"The temperature is {temperature}; give a number from 0.001 to 1,000.")
    check_seed(seed)
    generator = torch.Generator(start.device).manual_seed(seed)
    last = start.unsqueeze(1)
    rows, done = torch.zeros_like(last), torch.zeros_like(last, dtype=torch.bool)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for t in range(most + 1):
        chances, attention = step(last, rows)
        if t == most:
            drawn = torch.full_like(last, end)
        elif temperature == 0:
            drawn = chances.argmax(-1)
        else:
            drawn = torch.multinomial(nucleus((chances[:, 0] / temperature).softmax(-1), top_p), 1, generator=generator)
        scores = chances.gather(-1, drawn.unsqueeze(-1)).squeeze(-1)
        last = drawn.masked_fill(done, padding)
        parts.append((last, scores.masked_fill(done, 0), attention))
        done = done | (last == end)
        if done.all():
            break
    return Decoded(*(torch.stack(part, 2) for part in zip(*parts, strict=True)))


def check_seed(seed: int) -> None:
    """Raise `InputError` for a seed that no generator takes."""
    if not 0 <= seed < 1 << 63:
        raise InputError(f"The seed is {seed:.3g}; give a whole number from 0 to 2^63 - 1.")


def nucleus(chances: Tensor, top_p: float) -> Tensor:
    """The fewest most probable pieces whose probabilities sum to `top_p` or more; the others get 0. `(B, V)`"""
    if top_p >= 1:
        return chances
    ranked, order = chances.sort(-1, descending=True)
    inside = ranked.cumsum(-1) - ranked < top_p
    return torch.zeros_like(chances).scatter(-1, order, ranked * inside)


def gathered(values: Tensor, rows: Tensor) -> Tensor:
    """The values `(B, K, …)` of the chosen of K, by rows `(B, J)`: `(B, J, …)`."""
    return values[torch.arange(len(rows), device=rows.device).unsqueeze(1), rows]
