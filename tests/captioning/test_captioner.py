"""The decoder: a step against a loop over single numbers, what attention may be, and the photo's way into it."""

import math

import pytest
import torch

from vqa.captioning.captioner import ATTENTIONS, Captioner, one_place
from vqa.captioning.words import START
from vqa.model.errors import InputError

CAPTIONS = torch.tensor([[[START, 5, 6, 4], [START, 4, 7, 5]], [[START, 7, 7, 6], [START, 6, 5, 0]]])


def tiny(attention: str, temperature: float = 1.0) -> Captioner:
    torch.manual_seed(1)
    return Captioner(8, 10, attention, hidden=6, embedding=5, context=4, keys=3, temperature=temperature).eval()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def product(matrix: torch.Tensor, vector: list[float], bias: torch.Tensor | None = None) -> list[float]:
    sums = [sum(w * x for w, x in zip(row, vector, strict=True)) for row in matrix.tolist()]
    return sums if bias is None else [s + b for s, b in zip(sums, bias.tolist(), strict=True)]


def naive(net: Captioner, values: list[list[float]], caption: list[int]) -> tuple[list[list[float]], list[list[float]]]:
    """The equations of the docstring, number by number, for one caption: logits and attention of each step."""
    table = net.embedding.weight.tolist()
    mean = [sum(column) / len(values) for column in zip(*values, strict=True)]
    begun = [math.tanh(x) for x in product(net.start.weight, mean, net.start.bias)]
    h, c = begun[:6], begun[6:]
    W, U, b, d = net.recurrent.core.all_weights[0]
    logits, maps = [], []
    for word in caption:
        places, gate = [1 / len(values)] * len(values), 1.0
        if net.attention != "none":
            query = product(net.query.weight, h, net.query.bias)
            keys = [product(net.keys.weight, value) for value in values]
            energies = [sum(k * q for k, q in zip(key, query, strict=True)) / math.sqrt(3) for key in keys]
            places = [math.exp(e) / sum(map(math.exp, energies)) for e in energies]
            gate = sigmoid(product(net.gate.weight, h, net.gate.bias)[0])
        maps.append(places)
        used = [float(p == max(places)) for p in places] if net.attention == "hard" else places
        z = [gate * sum(u * value[j] for u, value in zip(used, values, strict=True)) for j in range(4)]
        from_x, from_h = product(W, table[word] + z, b), product(U, h, d)
        gates = [x + y for x, y in zip(from_x, from_h, strict=True)]
        i, f, g, o = gates[:6], gates[6:12], gates[12:18], gates[18:]
        c = [sigmoid(f[j]) * c[j] + sigmoid(i[j]) * math.tanh(g[j]) for j in range(6)]
        h = [sigmoid(o[j]) * math.tanh(c[j]) for j in range(6)]
        said, seen = product(net.from_state.weight, h, net.from_state.bias), product(net.from_context.weight, z)
        u = [x + y + e for x, y, e in zip(said, seen, table[word], strict=True)]
        logits.append([score / net.temperature for score in product(net.embedding.weight, u, net.bias)])
    return logits, maps


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_steps_equal_a_naive_loop(attention: str) -> None:
    net = tiny(attention, temperature=1.7)
    grid = torch.randn(2, 9, 10)
    with torch.no_grad():
        written = net(grid, CAPTIONS)
        values = net.see(grid).values.tolist()
    for p in range(2):
        for k in range(2):
            logits, maps = naive(net, values[p], CAPTIONS[p, k].tolist())
            torch.testing.assert_close(written.logits[p, k], torch.tensor(logits), atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(written.attention[p, k], torch.tensor(maps), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("sample", [False, True])
def test_attention_sums_to_1_and_hard_uses_one_place(attention: str, sample: bool) -> None:
    written = tiny(attention)(torch.randn(2, 9, 10), CAPTIONS, sample=sample)
    for weights in (written.attention, written.used):
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 4))
        assert (weights >= 0).all()
    one = (written.used == 1).sum(-1) == 1
    assert bool(one.all()) == (attention == "hard") and bool(one.any()) == (attention == "hard")


def test_places_are_drawn_as_often_as_attended() -> None:
    chances = torch.tensor([0.5, 0.3, 0.2, 0.0]).expand(1, 20000, 4)
    torch.testing.assert_close(one_place(chances, True).mean((0, 1)), chances[0, 0], atol=0.015, rtol=0)


def test_unknown_attention_is_refused() -> None:
    with pytest.raises(InputError, match="choose one of none, soft, hard"):
        Captioner(8, 10, "fuzzy")


def test_an_impossible_temperature_is_refused() -> None:
    for temperature in (0.0, -1.0, 1e-308, math.inf, math.nan):
        with pytest.raises(InputError, match=r"give a number from 0\.01 to 100"):
            tiny("soft", temperature)
