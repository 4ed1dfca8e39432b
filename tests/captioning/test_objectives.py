"""The losses: the penalty by hand, and hard attention's gradient against the exact one."""

import itertools

import pytest
import torch

from vqa.captioning.captioner import Captioner, Written
from vqa.captioning.objectives import (
    caption_loss,
    doubly_stochastic,
    score_function,
    self_critical,
    to_come,
    update,
    word_scores,
)
from vqa.captioning.words import END, PAD, START


def test_doubly_stochastic_penalty_by_hand() -> None:
    attention = torch.tensor([[[[0.5, 0.5], [1.0, 0.0], [0.3, 0.7]]]])
    valid = torch.tensor([[[True, True, False]]])  # sums 1.5 and 0.5
    assert doubly_stochastic(attention, valid).item() == pytest.approx(0.25)
    assert doubly_stochastic(attention[:, :, :1] * 2, valid[:, :, :1]).item() == 0


def test_scores_are_those_of_the_next_words_and_0_at_padding() -> None:
    captions = torch.tensor([[[START, 4, END, PAD]]])
    logits = torch.randn(1, 1, 3, 6)
    scores, valid = word_scores(logits, captions)
    wanted = logits.log_softmax(-1)[0, 0, [0, 1], [4, END]]
    torch.testing.assert_close(scores[0, 0], torch.cat((wanted, torch.zeros(1))))
    assert valid.tolist() == [[[True, True, False]]]
    assert to_come(torch.tensor([[[1.0, 2, 3]]])).tolist() == [[[6, 5, 3]]]


def test_the_baseline_moves_a_tenth_and_only_where_words_are() -> None:
    expected = torch.zeros(3)
    update(expected, torch.tensor([[[-4.0, -2.0], [-6.0, 0.0]]]), torch.tensor([[[True, True], [True, False]]]))
    assert expected.tolist() == pytest.approx([-0.5, -0.2, 0.0])
    update(expected, torch.tensor([[[-5.0, -9.0]]]), torch.tensor([[[True, False]]]))
    assert expected.tolist() == pytest.approx([-0.95, -0.2, 0.0])


def forced(net: Captioner, grid: torch.Tensor, captions: torch.Tensor, places: tuple[int, ...]) -> Written:
    """Reads with given places in place of drawn ones, the weights being those of the real steps."""
    photos, words = net.see(grid), net.embedding(captions)
    state, steps = net.begin(photos), []
    for t, place in enumerate(places):
        with pytest.MonkeyPatch.context() as patch:
            chosen = torch.zeros(1, 1, grid.shape[1])
            chosen[..., place] = 1
            patch.setattr("vqa.captioning.captioner.one_place", lambda *_, chosen=chosen: chosen)
            steps.append(net.step(words[:, :, t], state, photos, sample=True))
        state = steps[-1].h, steps[-1].c
    h, _, context, attention, used = (torch.stack(part, 2) for part in zip(*steps, strict=True))
    return Written(net.logits(h, context, words), attention, used)


@pytest.mark.parametrize("expected", [0.0, -3.0])
def test_the_score_function_gradient_is_the_exact_one_on_average(expected: float) -> None:
    """Exact: the gradient of Σ_s p(s) log p(words | s) over all sequences of places; a baseline changes no mean."""
    torch.manual_seed(4)
    net = Captioner(6, 5, "hard", hidden=4, embedding=3, context=3, keys=3).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2.5)  # so that places matter
    grid = torch.randn(1, 3, 5, dtype=torch.double)
    captions = torch.tensor([[[START, 4, 5, END]]])
    parameters = list(net.parameters())
    baseline = torch.full((3,), expected)

    exact = torch.zeros((), dtype=torch.double)
    for places in itertools.product(range(3), repeat=3):
        written = forced(net, grid, captions[..., :-1], places)
        chance = (written.attention * written.used).sum(-1).prod()
        exact = exact + chance * word_scores(written.logits.float(), captions)[0].sum()
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(exact, parameters)])

    many = 6000
    written = net(grid, captions[..., :-1].expand(1, many, 3), sample=True)
    scores, valid = word_scores(written.logits, captions.expand(1, many, 4))
    learned = score_function(written.attention, written.used, scores, valid, baseline)
    both = torch.autograd.grad((scores.sum(-1) + learned).mean(), parameters, retain_graph=True)
    plain = torch.autograd.grad(scores.sum(-1).mean(), parameters, allow_unused=True, materialize_grads=True)
    found, without = (torch.cat([g.flatten() for g in gradients]) for gradients in (both, plain))
    error = (found - wanted).norm() / wanted.norm()
    assert error < 0.1
    assert (without - wanted).norm() / wanted.norm() > 2 * error  # plain back-propagation misses the choice


def test_each_kind_adds_its_own_terms() -> None:
    captions = torch.tensor([[[START, 4, 5, END]]])
    for kind in ("none", "soft", "hard"):
        net, expected = Captioner(6, 5, kind, hidden=4, embedding=3, context=3, keys=3).eval(), torch.zeros(3)
        written = net(torch.randn(1, 3, 5), captions[..., :-1], sample=kind == "hard")
        loss, words = caption_loss(kind, written, captions, expected), -word_scores(written.logits, captions)[0].mean()
        assert (loss.item() == pytest.approx(words.item())) == (kind == "none")
        assert bool(expected.any()) == (kind == "hard")
        loss.backward()
        if kind != "none":
            assert net.query.weight.grad.abs().sum() > 0


def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """Over all pairs of three captions of one word, weighted by their probability."""
    logits = torch.tensor([0.3, -0.8, 0.1], dtype=torch.float64, requires_grad=True)
    rewards = torch.tensor([2.0, 5.0, -1.0], dtype=torch.float64)
    chances, loss = logits.softmax(0), torch.zeros((), dtype=torch.float64)
    for pair in itertools.product(range(3), repeat=2):
        drawn = logits.log_softmax(0)[list(pair)].view(1, 2, 1)
        one = self_critical(drawn, torch.ones(1, 2, 1, dtype=torch.bool), rewards[list(pair)].view(1, 2))
        loss = loss + chances.detach()[list(pair)].prod() * one
    (found,) = torch.autograd.grad(loss, logits)
    (expected,) = torch.autograd.grad(-(chances * rewards).sum(), logits)
    torch.testing.assert_close(found, expected)
