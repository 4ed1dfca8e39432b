"""The shares of members that answer together."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from train.own.pool import Held, best_pool, fit_factors, kinds, mixed, reached, right

QUESTIONS, ANSWERS = 400, 6


@pytest.fixture
def labels() -> Tensor:
    return F.one_hot(torch.randint(ANSWERS, (QUESTIONS,), generator=torch.Generator().manual_seed(0)), ANSWERS).float()


def member(labels: Tensor, knows: float, seed: int) -> Tensor:
    """Logits of which the part that is right is `knows`."""
    return knows * labels + torch.randn(labels.shape, generator=torch.Generator().manual_seed(seed))


def held(labels: Tensor, answers: list[Tensor], guesses: list[Tensor], own: Tensor | None = None) -> Held:
    own = torch.ones_like(labels, dtype=torch.bool) if own is None else own
    return Held(np.arange(QUESTIONS), np.arange(QUESTIONS) % 4, labels, own, answers, guesses, [])


def test_the_factors_make_the_labels_likeliest(labels: Tensor) -> None:
    parts = [member(labels, 2, 1), member(labels, 1, 2), member(labels, 0, 3)]
    factors = fit_factors(parts, labels, torch.ones_like(labels, dtype=torch.bool))
    assert factors[0] == pytest.approx(2, abs=0.4) and factors[1] == pytest.approx(1, abs=0.4)  # unit noise: Bayes
    assert factors[2] < 0.2
    together = mixed(parts, factors)
    assert right(together, labels) > max(right(part, labels) for part in parts)


def test_small_logits_get_large_factors() -> None:
    """A first step that is too long must not end at zero or infinity."""
    drawn = torch.Generator().manual_seed(0)
    few = F.one_hot(torch.randint(0, 5, (4,), generator=drawn), 5).float()
    parts = [*(0.3 * torch.randn(4, 5, generator=drawn) for _ in range(3)), 0.3 * few]
    assert 5 < fit_factors(parts, few, torch.ones_like(few, dtype=torch.bool))[3] < 30


def test_a_useless_photo_has_no_share(labels: Tensor) -> None:
    guess, noise = member(labels, 2, 1), 3 * member(labels, -1, 2)
    pool = best_pool(held(labels, [noise], [guess]))
    assert right(pool.logits, labels) >= right(pool.guessed, labels)
    assert not pool.looks or pool.answer[0] < 0.1
    useful = best_pool(held(labels, [member(labels, 3, 2)], [guess]))
    assert useful.looks and right(useful.logits, labels) > right(useful.guessed, labels)


def test_a_member_that_does_not_help_is_left_out(labels: Tensor) -> None:
    first, guess = member(labels, 2, 1), member(labels, 0.5, 2)
    for knows, helps in ((0, False), (2, True)):
        pool = best_pool(held(labels, [first, member(labels, knows, 3)], [guess, guess]))
        assert bool(pool.answer[1]) is helps and bool(pool.answer[0])
        assert bool(pool.blind[1] or pool.guess[1]) is helps


def test_a_guess_has_a_share_in_the_answer_only_where_it_helps(labels: Tensor) -> None:
    answer = member(labels, 1, 1)
    for guess, helps in ((0 * labels, False), (member(labels, 2, 2), True)):
        pool = best_pool(held(labels, [answer], [guess]))
        assert pool.looks and bool(pool.blind[0]) is helps
    assert kinds(1) == [(1, False), (1, True)] and kinds(3) == [(1, False), (1, True), (3, True)]


def test_what_is_reached_is_that_of_the_best_kind(labels: Tensor) -> None:
    """Of the first member alone, which the second would disturb, or of both."""
    good, loud = member(labels, 2, 1), 5 * member(labels, -1, 2)
    alone = right(good, labels)
    assert reached(held(labels, [good, loud], [0 * labels, 0 * labels])) >= alone
    assert reached(held(labels, [good, member(labels, 2, 3)], [0 * labels, 0 * labels])) > alone + 0.05


def test_the_best_guess_is_kept(labels: Tensor) -> None:
    """Also that of a member whose answer is left out."""
    pool = best_pool(held(labels, [member(labels, 2, 1), member(labels, 0, 2)], [0 * labels, member(labels, 1, 3)]))
    assert pool.answer[0] and not pool.answer[1] and pool.guess[1]
    assert right(pool.guessed, labels) > 2 / ANSWERS


def test_an_answer_without_a_share_of_the_photo_is_the_guess(labels: Tensor) -> None:
    pool = best_pool(held(labels, [0 * labels], [member(labels, 1, 3)]))
    assert not pool.looks and pool.blind == pool.guess
    torch.testing.assert_close(pool.logits, pool.guessed)


def test_factors_come_from_the_other_groups(labels: Tensor) -> None:
    """What a group of questions says must not change how its own members are weighted."""
    parts = [member(labels, 2, 1)], [member(labels, 1, 2)]
    before = best_pool(held(labels, *parts))
    changed = labels.clone()
    first = torch.arange(QUESTIONS) % 4 == 0
    changed[first] = changed[first].roll(1, dims=1)
    after = best_pool(held(changed, *parts))
    torch.testing.assert_close(before.logits[first], after.logits[first])
    assert not torch.allclose(before.logits[~first], after.logits[~first])


def test_foreign_answers_are_left_out_where_they_only_disturb(labels: Tensor) -> None:
    """The last answer is right nowhere in the data, and the first member likes it."""
    labels = labels[:, :-1].clone()
    labels[labels.sum(1) == 0, 0] = 1
    labels = F.pad(labels, (0, 1))
    own = torch.ones_like(labels, dtype=torch.bool)
    own[:, -1] = False
    likes = member(labels, 2, 1)
    likes[:, -1] += 3
    pool = best_pool(held(labels, [likes], [torch.zeros_like(labels)], own))
    assert pool.only_own and (pool.logits.argmax(1) < ANSWERS - 1).all()
    foreign = F.one_hot(torch.full((QUESTIONS,), ANSWERS - 1), ANSWERS).float()
    assert not best_pool(held(foreign, [foreign], [torch.zeros_like(labels)], own)).only_own
