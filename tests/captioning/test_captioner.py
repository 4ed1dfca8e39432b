"""The decoder: its steps against a loop for one caption, what attention may be, and the photo's way into it."""

import itertools
import math

import pytest
import torch

from tests.data.refusal import refusal
from vqa.captioning.captioner import ATTENTIONS, Captioner, one_place
from vqa.captioning.words import START

CAPTIONS = torch.tensor([[[START, 5, 6, 4], [START, 4, 7, 5]], [[START, 7, 7, 6], [START, 6, 5, 0]]])


def tiny(attention: str, temperature: float = 1.0) -> Captioner:
    torch.manual_seed(1)
    return Captioner(8, 10, attention, hidden=6, embedding=5, context=4, keys=3, temperature=temperature).eval()


def naive(net: Captioner, values: torch.Tensor, caption: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The equations of the docstring for one caption of a photo `(N, C)`: logits and attention of each step."""
    h, c = torch.tanh(net.start(values.mean(0))).split(6)
    W, U, b, d = net.recurrent.core.all_weights[0]
    logits, maps = [], []
    for y in net.embedding.weight[caption]:
        a, gate = torch.full((len(values),), 1 / len(values)), torch.ones(1)
        if net.attention != "none":
            query = net.query(h)
            powers = torch.stack([torch.exp(net.keys(value) @ query / math.sqrt(3)) for value in values])
            a, gate = powers / powers.sum(), torch.sigmoid(net.gate(h))
        maps.append(a)
        z = gate * (values[a.argmax()] if net.attention == "hard" else a @ values)
        i, f, g, o = (W @ torch.cat((y, z)) + b + U @ h + d).split(6)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        u = net.from_state(h) + net.from_context(z) + y
        logits.append((net.embedding.weight @ u + net.bias) / net.temperature)
    return torch.stack(logits), torch.stack(maps)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_steps_equal_a_naive_loop(attention: str) -> None:
    net = tiny(attention, temperature=1.7)
    grid = torch.randn(2, 9, 10)
    with torch.no_grad():
        written, values = net(grid, CAPTIONS), net.see(grid).values
        for p, k in itertools.product(range(2), repeat=2):
            logits, maps = naive(net, values[p], CAPTIONS[p, k])
            torch.testing.assert_close(written.logits[p, k], logits, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(written.attention[p, k], maps, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("sample", [False, True])
def test_attention_sums_to_1_and_hard_uses_one_place(attention: str, sample: bool) -> None:
    written = tiny(attention)(torch.randn(2, 9, 10), CAPTIONS, sample=sample)
    for weights in (written.attention, written.used):
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 4))
        assert (weights >= 0).all()
    assert set(((written.used == 1).sum(-1) == 1).flatten().tolist()) == {attention == "hard"}


def test_places_are_drawn_as_often_as_attended() -> None:
    chances = torch.tensor([0.5, 0.3, 0.2, 0.0]).expand(1, 20000, 4)
    torch.testing.assert_close(one_place(chances, True).mean((0, 1)), chances[0, 0], atol=0.015, rtol=0)


def test_impossible_settings_are_refused() -> None:
    assert "choose one of none, soft, hard" in refusal(Captioner, 8, 10, "fuzzy")
    for temperature in (0.0, -1.0, 1e-308, math.inf, math.nan):
        assert "give a number from 0.01 to 100" in refusal(tiny, "soft", temperature)
