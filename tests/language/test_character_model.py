"""The character model, and truncated back-propagation through time."""

import math

import pytest
import torch
from torch.nn import functional as F

from vqa.language.character_model import CharacterModel, bits_per_character


@pytest.fixture
def net() -> CharacterModel:
    torch.manual_seed(0)
    return CharacterModel(7, layers=2, hidden=5, embedding=3).double()


def test_a_chunks_gradient_is_plain_back_propagation_with_the_carried_state_as_a_constant(net: CharacterModel) -> None:
    """By hand: run over both chunks, cut between, and propagate the second chunk's loss alone."""
    ids = torch.randint(7, (2, 13))
    weights = list(net.parameters())
    _, (h, c) = net.loss(ids[:, :7])
    truncated = torch.autograd.grad(net.loss(ids[:, 6:], (h.detach(), c.detach()))[0], weights)
    with torch.no_grad():
        _, carried = net(ids[:, :6])
    logits, _ = net(ids[:, 6:-1], carried)
    by_hand = torch.autograd.grad(F.cross_entropy(logits.flatten(0, 1), ids[:, 7:].flatten()), weights)
    torch.testing.assert_close(truncated, by_hand, atol=1e-10, rtol=0)
    further = torch.autograd.grad(net.loss(ids[:, 6:], (h, c))[0], weights)  # without the cut they go further back
    assert any(not torch.allclose(a, b) for a, b in zip(truncated, further, strict=True))


def test_bits_are_the_mean_of_minus_log2(net: CharacterModel) -> None:
    ids = torch.randint(7, (3, 30))
    with torch.no_grad():
        probabilities = net(ids[:, :-1])[0].softmax(-1)
    each = [-math.log2(probabilities[b, t, ids[b, t + 1]]) for b in range(3) for t in range(29)]
    for chunk in (7, 500):
        assert bits_per_character(net, ids, chunk) == pytest.approx(sum(each) / len(each), abs=1e-9)
