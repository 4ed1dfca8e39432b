"""The shares with which members answer together, chosen on questions that none of them has learned from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqa.model.net import soft_cross_entropy

MOST = 1000  # questions that factors are fitted on
LEAST = 0.02  # smaller shares are 0
IMPOSSIBLE = -1e4  # the logit of an answer that the model does not have


@dataclass
class Held:
    """The answers of members to questions that they have not learned from.

    rows `(Q,)`: the questions; group `(Q,)`: questions of equal numbers share their fitted shares; labels `(Q, A)`;
    own `(Q, A)`: the answers in what the members learned from; answers, guesses, images: logits `(Q, A)`, one a member.
    """

    rows: np.ndarray
    group: np.ndarray
    labels: Tensor
    own: Tensor
    answers: list[Tensor]
    guesses: list[Tensor]
    images: list[Tensor]


@dataclass
class Pool:
    """How members answer together: factors of their answers' logits and of their guesses' in the answer, and of their
    guesses' in the guess without the photo; only_own: only the answers of one's own data are possible; logits, guessed:
    those `(Q, A)` of the held-out questions, with factors that were fitted on the other groups."""

    answer: list[float]
    blind: list[float]
    guess: list[float]
    only_own: bool
    logits: Tensor
    guessed: Tensor

    @property
    def looks(self) -> bool:
        """Whether the photo has a share in the answer."""
        return any(self.answer)


def best_pool(held: Held) -> Pool:
    """The pool with the best answers to held-out questions of all `kinds`, and the best guess of the first member alone
    and of all; that guess alone where it is better.

    The factors of each group of questions are fitted on the other groups, so that what they reach is not overrated.
    """
    count = len(held.answers)
    *smaller, largest = kinds(count)
    whole = {own: fitted(held, parts_of(held, *largest), own) for own in (True, False)}
    only_own = max(whole, key=lambda own: right(whole[own][1], held.labels))
    found = {kind: fitted(held, parts_of(held, *kind), only_own) for kind in smaller} | {largest: whole[only_own]}
    guesses = [fitted(held, held.guesses[:some], only_own) for some in sorted({1, count})]
    few, guessed = max(guesses, key=lambda fit: right(fit[1], held.labels))
    guess = filled(few, count)
    looking = [kind for kind, (factors, _) in found.items() if any(factors[: kind[0]])]
    best = max(looking, key=lambda kind: right(found[kind][1], held.labels), default=None)
    if best is None or right(found[best][1], held.labels) < right(guessed, held.labels):
        return Pool([0.0] * count, guess, guess, only_own, guessed, guessed)
    (factors, logits), some = found[best], best[0]
    answer, blind = filled(factors[:some], count), filled(factors[some:], count)
    return Pool(answer, blind, guess, only_own, logits, guessed)


def kinds(count: int) -> list[tuple[int, bool]]:
    """How many of `count` members answer, and whether their guesses have a share in the answer; the smaller first, as
    the first of equally good ones is chosen. The likeliest factors are not those with the most right answers."""
    return [(1, False), (1, True), (count, True)][: 2 + (count > 1)]


def parts_of(held: Held, count: int, guesses: bool) -> list[Tensor]:
    """The logits that a kind of pool adds up."""
    return [*held.answers[:count], *held.guesses[: count * guesses]]


def filled(factors: list[float], count: int) -> list[float]:
    """The factors of `count` members, 0 for those after the given ones."""
    return factors + [0.0] * (count - len(factors))


def reached(held: Held) -> float:
    """The share of right answers of the best kind of pool, quickly: with all answers, and with factors that were fitted
    on the same questions."""
    every, each = torch.ones_like(held.own), [parts_of(held, *kind) for kind in kinds(len(held.answers))]
    return max(right(mixed(parts, fit_factors(parts, held.labels, every)), held.labels) for parts in each)


def fitted(held: Held, parts: Sequence[Tensor], only_own: bool) -> tuple[list[float], Tensor]:
    """The factors for all held-out questions, and logits `(Q, A)` with those of the other groups."""
    allowed = held.own if only_own else torch.ones_like(held.own)
    logits = torch.empty_like(parts[0])
    for group in np.unique(held.group):
        inside = torch.from_numpy(held.group == group)
        factors = fit_factors([part[~inside] for part in parts], held.labels[~inside], allowed[~inside])
        logits[inside] = mixed([part[inside] for part in parts], factors).masked_fill(~allowed[inside], IMPOSSIBLE)
    return fit_factors(parts, held.labels, allowed), logits


def mixed(parts: Sequence[Tensor], factors: Sequence[float]) -> Tensor:
    """The weighted sum of logits, a log-linear pool (Genest & Zidek 1986)."""
    return sum((factor * part for part, factor in zip(parts, factors, strict=True)), torch.zeros_like(parts[0]))


def fit_factors(parts: Sequence[Tensor], labels: Tensor, allowed: Tensor) -> list[float]:
    """The factors, none negative, with which the sum of `parts (Q, A)` makes the labels likeliest.

    allowed `(Q, A)`: the possible answers; questions without a possible right one are left out.
    """
    drawn = torch.from_numpy(np.random.default_rng(0).permutation(len(labels))[:MOST])
    possible, known = allowed.any(0), drawn[(labels[drawn] * allowed[drawn]).sum(1) > 0]
    if not len(known):
        return [1 / len(parts)] * len(parts)
    wanted, outside = (labels * allowed)[known][:, possible], ~allowed[known][:, possible]
    each = torch.stack([part[known][:, possible].masked_fill(outside, IMPOSSIBLE) for part in parts])
    # Softplus and not exp keeps factors positive: a long step of L-BFGS would make them infinite.
    free = torch.full((len(parts),), float(np.log(np.expm1(1 / len(parts)))), requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=25, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        factors = F.softplus(free)
        value = soft_cross_entropy(torch.einsum("m,mqa->qa", factors, each), wanted) + 1e-3 * factors.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(step)
    factors = F.softplus(free.detach()).tolist()
    return [factor if factor >= LEAST else 0.0 for factor in factors]


def right(logits: Tensor, labels: Tensor) -> float:
    """The share of the best answers that are right."""
    return float(labels.gather(1, logits.argmax(1, keepdim=True)).mean())
