import math
from typing import Any

import pytest
import torch

from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel
from vqa.model.net import coordinates

WORDS, ANSWERS = 11, 5
SEVERAL: dict[str, Any] = {"looks": 3, "glimpses": 1, "coordinates": "cells", "bidirectional": True}


def make(seed: int = 0, **settings) -> VQAModel:
    """A small random model in evaluation mode, whose attention is far from even."""
    torch.manual_seed(seed)
    sizes = {"image_size": 32, "vocab_size": WORDS, "embedding_size": 6, "hidden_size": 8, "attention_size": 12}
    heads = {"fusion_size": 9, "blind_size": 4, "image_only_size": 4, "id2label": dict(enumerate("abcde"))}
    glimpses = {} if settings.get("attention", "soft") == "soft" else {"glimpses": 1}
    net = VQAModel(VQAConfig(backbone="tiny", dropout=0.0, **sizes | heads | glimpses | settings)).eval()
    with torch.no_grad():
        for parameter in net.attention.parameters():
            parameter.mul_(5)
    return net


def questions(lengths: list[int], seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return torch.randint(1, WORDS, mask.shape, generator=generator) * mask, mask


def photos(count: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_several_looks():
    net = make(**SEVERAL)
    output = net(*questions([3, 5, 1]), pixel_values=photos(3))
    assert output.attention.shape == (3, 3, 4, 4)
    assert torch.allclose(output.attention.sum((2, 3)), torch.ones(3, 3))
    assert (output.attention[:, 0] - output.attention[:, 1]).abs().max() > 0.01
    assert output.question.shape == (3, 16 * 4) and output.states.shape == (3, 5, 16)
    assert torch.allclose(output.word_weights.sum(1), torch.ones(3))
    assert output.word_weights[0, 3:].eq(0).all()
    assert net.blind_logits(output.question).shape == (3, ANSWERS)


def test_coordinates_and_lengths_of_the_grid():
    assert coordinates(True, 2, 3).tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]
    cells = [[2 * (i in (n % 3, 3 + n // 3)) for i in range(5)] for n in range(6)]
    assert coordinates("cells", 2, 3).tolist() == cells
    grid = torch.randn(2, 16, 64)
    assert torch.equal(make(even_lengths=False).prepare(grid), grid)  # the oracle below has even ones


def softmax(values):
    exponentials = torch.stack(values).exp()
    return exponentials / exponentials.sum()


def fuse(fusion, a, b):
    """ReLU(W_a a + b_a) ⊙ ReLU(W_b b + b_b), or ReLU(W [a; b] + c) with one matrix W = [W_a W_b]."""
    A, B = fusion.project_a, fusion.project_b
    if fusion.kind == "product":
        return (A.weight @ a + A.bias).relu() * (B.weight @ b + B.bias).relu()
    return (torch.cat((A.weight, B.weight), 1) @ torch.cat((a, b)) + A.bias).relu()


def oracle(net, grid, ids):
    """The equations of one question about one photo, place by place; grid: `(N, D)`; ids: the words.

    Only the recurrent core's states are taken from the model: that core has its own test.
    """
    config, encoder, side = net.config, net.question_encoder, math.isqrt(len(grid))
    places = []
    for n, place in enumerate(grid):
        xy = [-1 + 2 * (n % side) / (side - 1), -1 + 2 * (n // side) / (side - 1)] if config.coordinates else []
        places.append(torch.cat((place / place.norm() * math.sqrt(len(place)), place.new_tensor(xy))))

    words = encoder.embedding.weight[ids]
    states = encoder.recurrent(words[None], torch.tensor([len(ids)])).states[0]
    hidden = [torch.tanh(encoder.key.weight @ h + encoder.key.bias) for h in states]
    alpha = softmax([encoder.score.weight[0] @ h for h in hidden])
    q = states[-1] + encoder.gather.weight @ sum(a * e for a, e in zip(alpha, words, strict=True))

    maps = []
    for g in range(config.glimpses):
        a = torch.full((len(places),), 1 / len(places)).double()
        if config.attention != "none":
            scores = [net.attention.score.weight[g] @ fuse(net.attention.fuse, v, q) for v in places]
            best = max(range(len(scores)), key=scores.__getitem__)
            a = softmax(scores) if config.attention == "soft" else torch.eye(len(scores)).double()[best]
        maps.append(a)
    z = torch.cat([sum(a_n * v for a_n, v in zip(a, places, strict=True)) for a in maps])
    logits = net.answer_head[1].weight @ fuse(net.fusion, z, q) + net.answer_head[1].bias
    return logits, torch.stack(maps), alpha


@pytest.mark.parametrize("attention", ["soft", "hard", "none"])
@pytest.mark.parametrize("fusion", ["product", "concat"])
@pytest.mark.parametrize("coordinates", [False, True])
def test_equal_to_the_equations(attention, fusion, coordinates, monkeypatch):
    # the model rounds scores and logits to float32 on purpose; here all of it runs in float64
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)
    net = make(attention=attention, fusion=fusion, coordinates=coordinates).double()
    ids, mask = questions([3, 5])
    with torch.no_grad():
        grid = net.encode_image(photos(2).double())
        output = net(ids, mask, grid=grid)
        for i, length in enumerate([3, 5]):
            found = output.logits[i], output.attention[i].flatten(1), output.word_weights[i, :length]
            expected = oracle(net, grid[i], ids[i, :length])
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-9, check_dtype=False)


@pytest.mark.parametrize("fusion", ["product", "concat"])
def test_padding_company_and_a_kept_grid_change_nothing(fusion):
    net = make(fusion=fusion, coordinates=True, bidirectional=True, num_layers=2)
    assert net.question_encoder.recurrent.core.num_layers == 2
    ids, mask = questions([3, 6])
    rubbish = ids.clone()
    rubbish[0, 3:] = 7
    with torch.no_grad():
        grid = net.encode_image(photos(2))
        together, fresh = net(ids, mask, grid=grid), net(rubbish, mask, pixel_values=photos(2))
        alone = net(ids[:1, :3], mask[:1, :3], grid=grid[:1])
    assert torch.allclose(together.logits[:1], alone.logits, atol=1e-6)
    assert fresh.question.shape == (2, 16) and net.blind_logits(fresh.question).shape == (2, ANSWERS)
    assert torch.equal(fresh.logits, together.logits) and torch.equal(fresh.attention, together.attention)


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
@pytest.mark.parametrize("settings", [SEVERAL, *({"attention": kind} for kind in ("soft", "hard", "none"))])
def test_gradient_reaches_every_part(settings, loss):
    net = make(loss=loss, **settings).train()
    net(*questions([3, 5, 4, 2]), pixel_values=photos(4), labels=torch.rand(4, ANSWERS)).loss.backward()
    for name, parameter in net.named_parameters():
        guess = name.startswith(("blind_head", "image_only_head"))
        reached = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert reached != guess, name


def test_guesses_see_only_their_side():
    net = make()
    pixels = photos(2).requires_grad_()
    output = net(*questions([3, 5]), pixel_values=pixels)
    net.blind_logits(output.question).sum().backward()
    assert pixels.grad is None
    assert all(p.grad is None for p in net.image_encoder.parameters())
    assert net.question_encoder.embedding.weight.grad.abs().sum() > 0
    net.zero_grad()
    net.image_only_logits(net.encode_image(pixels)).sum().backward()
    assert pixels.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.question_encoder.parameters())


def test_losses_by_hand():
    logits = torch.tensor([[0.3, -1.2, 2.0], [0.0, 0.5, -0.5]])
    labels = torch.tensor([[0.3, 0.0, 1.0], [0.0, 0.0, 0.0]])
    rows = [
        [y * math.log1p(math.exp(-x)) + (1 - y) * math.log1p(math.exp(x)) for x, y in zip(xs, ys, strict=True)]
        for xs, ys in zip(logits.tolist(), labels.tolist(), strict=True)
    ]
    assert float(make().loss(logits, labels)) == pytest.approx(sum(map(sum, rows)) / 2)
    log_p = [x - math.log(sum(math.exp(v) for v in logits[0].tolist())) for x in logits[0].tolist()]
    expected = -(0.3 * log_p[0] + 1.0 * log_p[2]) / 1.3
    got = make(loss="softmax").loss(logits, labels)  # the second question has no known answer: no loss
    assert float(got) == pytest.approx(expected / 2)


def test_autocast_stays_close():
    net = make()
    ids = questions([3, 5])
    with torch.no_grad():
        exact = net(*ids, pixel_values=photos(2))
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(*ids, pixel_values=photos(2))
    assert rough.logits.dtype == torch.float32
    assert torch.allclose(exact.logits, rough.logits, atol=0.05)
    assert torch.allclose(rough.attention.sum((2, 3)), torch.ones(2, 2), atol=1e-3)


@pytest.mark.parametrize(
    "settings", [{"glimpses": 3}, {"attention": "hard"}, {"looks": 2, "glimpses": 1}, {"fusion": "concat"}]
)
def test_falls_without_a_glimpse(settings):
    """Against a model whose attention puts the mean of the grid in the place of one glimpse."""
    net, index = make(**settings), torch.tensor([1, 0, 1])
    given = dict(zip(("input_ids", "attention_mask"), questions([3, 5, 1]), strict=True)) | {"photo_index": index}
    with torch.no_grad():
        grid = net.encode_image(photos(2))
        output = net(**given, grid=grid, falls=True)
        best, v = output.logits.argmax(-1), net.prepare(grid)
        assert output.falls.shape == output.attention.shape[:2]
        for g in range(output.attention.shape[1]):
            z, _ = net.attention(v, output.question, index)
            for i, photo in enumerate(index):
                z[i, g * v.shape[-1] : (g + 1) * v.shape[-1]] = v[photo].mean(0)
            logits = net.answer_head(net.fusion(z, output.question))
            expected = [output.logits[i, a] - logits[i, a] for i, a in enumerate(best)]
            torch.testing.assert_close(output.falls[:, g], torch.stack(expected))
        assert output.falls.abs().max() > 1e-3
        plain = net(**given, grid=grid)
        assert plain.falls is None
        torch.testing.assert_close(plain.logits, output.logits)
        about_one = index == 1
        v = net.prepare(grid[1:])
        given = {name: values[about_one] for name, values in given.items()} | {"photo_index": index[about_one] * 0}
        again = net(**given, prepared=(v, None, net.sides(v)), falls=True)
        torch.testing.assert_close((again.logits, again.falls), (output.logits[about_one], output.falls[about_one]))
