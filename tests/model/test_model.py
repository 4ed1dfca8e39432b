import itertools
import math

import pytest
import torch

from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel
from vqa.model.net import coordinates

WORDS, ANSWERS = 11, 5


def make(seed: int = 0, **settings) -> VQAModel:
    """A small random model in evaluation mode, whose attention is far from even."""
    torch.manual_seed(seed)
    defaults = {
        "backbone": "tiny",
        "image_size": 32,
        "vocab_size": WORDS,
        "embedding_size": 6,
        "hidden_size": 8,
        "attention_size": 12,
        "fusion_size": 9,
        "blind_size": 4,
        "image_only_size": 4,
        "dropout": 0.0,
        "id2label": dict(enumerate("abcde")),
    }
    settings = defaults | settings
    if settings.get("attention", "soft") != "soft":
        settings["glimpses"] = 1
    net = VQAModel(VQAConfig(**settings)).eval()
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
    net = make(looks=3, glimpses=1, coordinates="cells", bidirectional=True)
    output = net(*questions([3, 5, 1]), pixel_values=photos(3), labels=torch.rand(3, ANSWERS))
    assert output.attention.shape == (3, 3, 4, 4)
    assert torch.allclose(output.attention.sum((2, 3)), torch.ones(3, 3))
    assert (output.attention[:, 0] - output.attention[:, 1]).abs().max() > 0.01
    assert output.question.shape == (3, 16 * 4) and output.states.shape == (3, 5, 16)
    assert torch.allclose(output.word_weights.sum(1), torch.ones(3))
    assert output.word_weights[0, 3:].eq(0).all()
    assert net.blind_logits(output.question).shape == (3, ANSWERS)
    output.loss.backward()
    for name, parameter in net.named_parameters():
        if not name.startswith(("blind_head", "image_only_head")):
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_lengths_of_the_grid():
    grid = torch.randn(2, 16, 64)
    even, own = (make(even_lengths=even).prepare(grid) for even in (True, False))
    assert torch.equal(own, grid)
    assert torch.allclose(even.norm(dim=-1), torch.full((2, 16), 8.0))  # √D
    assert torch.allclose(even, grid / grid.norm(dim=-1, keepdim=True) * 8, atol=1e-5)


def test_coordinates():
    xy = coordinates(True, 2, 3)
    assert xy.tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]
    cells = coordinates("cells", 2, 3)
    assert cells.shape == (6, 5)
    for n, row in enumerate(cells.tolist()):
        assert [i for i, value in enumerate(row) if value] == [n % 3, 3 + n // 3]
    assert cells.unique().tolist() == [0, 2]


@pytest.mark.parametrize(("bidirectional", "layers"), [(True, 1), (True, 2), (False, 3)])
def test_bidirectional_and_stacked_question_encoders(bidirectional, layers):
    net = make(bidirectional=bidirectional, num_layers=layers)
    output = net(*questions([3, 5]), pixel_values=photos(2))
    assert output.question.shape == (2, 16 if bidirectional else 8)
    assert net.blind_logits(output.question).shape == (2, ANSWERS)


def matvec(matrix, vector, bias=None):
    bias = [0.0] * len(matrix) if bias is None else bias
    return [sum(w * x for w, x in zip(row, vector, strict=True)) + b for row, b in zip(matrix, bias, strict=True)]


def softmax(values):
    exponentials = [math.exp(v - max(values)) for v in values]
    return [e / sum(exponentials) for e in exponentials]


def fuse(kind, weights, name, a, b):
    """ReLU(W_a a + b_a) ⊙ ReLU(W_b b + b_b), or ReLU(W [a; b] + c) with one matrix W = [W_a W_b]."""
    wa, ca, wb = (weights[f"{name}.{key}"] for key in ("project_a.weight", "project_a.bias", "project_b.weight"))
    if kind == "product":
        sides = matvec(wa, a, ca), matvec(wb, b, weights[f"{name}.project_b.bias"])
        return [max(x, 0) * max(y, 0) for x, y in zip(*sides, strict=True)]
    both = [row_a + row_b for row_a, row_b in zip(wa, wb, strict=True)]
    return [max(x, 0) for x in matvec(both, a + b, ca)]


def oracle(net, grid, ids):
    """The equations of one question about one photo, in Python floats; grid: N places of D; ids: the words.

    Only the recurrent core's states are taken from the model: that core has its own test.
    """
    config = net.config
    weights = {name: value.tolist() for name, value in net.state_dict().items()}
    side = math.isqrt(len(grid))
    places = []
    for n, place in enumerate(grid):
        length = math.sqrt(sum(x * x for x in place))
        xy = [-1 + 2 * (n % side) / (side - 1), -1 + 2 * (n // side) / (side - 1)] if config.coordinates else []
        places.append([x / length * math.sqrt(len(place)) for x in place] + xy)

    embedding = [weights["question_encoder.embedding.weight"][i] for i in ids]
    embedded = torch.tensor([embedding], dtype=torch.float64)
    states = net.question_encoder.recurrent(embedded, torch.tensor([len(ids)])).states[0].tolist()
    key, bias = weights["question_encoder.key.weight"], weights["question_encoder.key.bias"]
    hidden = [[math.tanh(x) for x in matvec(key, state, bias)] for state in states]
    alpha = softmax([matvec(weights["question_encoder.score.weight"], h)[0] for h in hidden])
    words = [sum(a * e[k] for a, e in zip(alpha, embedding, strict=True)) for k in range(len(embedding[0]))]
    gathered = matvec(weights["question_encoder.gather.weight"], words)
    q = [x + y for x, y in zip(states[-1], gathered, strict=True)]

    z, maps = [], []
    for g in range(config.glimpses):
        if config.attention == "none":
            a = [1 / len(places)] * len(places)
        else:
            w = weights["attention.score.weight"][g]
            joint = [fuse(config.fusion, weights, "attention.fuse", v, q) for v in places]
            s = [sum(x * y for x, y in zip(w, j, strict=True)) for j in joint]
            a = softmax(s) if config.attention == "soft" else [float(n == s.index(max(s))) for n in range(len(s))]
        maps.append(a)
        z += [sum(a_n * v[d] for a_n, v in zip(a, places, strict=True)) for d in range(len(places[0]))]
    joint = fuse(config.fusion, weights, "fusion", z, q)
    logits = matvec(weights["answer_head.1.weight"], joint, weights["answer_head.1.bias"])
    return logits, maps, alpha


@pytest.mark.parametrize(
    ("attention", "fusion", "coordinates"),
    itertools.product(("soft", "hard", "none"), ("product", "concat"), (False, True)),
)
def test_equal_to_the_equations_in_python_floats(attention, fusion, coordinates, monkeypatch):
    # the model rounds scores and logits to float32 on purpose; here all of it runs in float64
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)
    net = make(attention=attention, fusion=fusion, coordinates=coordinates).double()
    ids, mask = questions([3, 5])
    with torch.no_grad():
        grid = net.encode_image(photos(2).double())
        output = net(ids, mask, grid=grid)
        for i, length in enumerate([3, 5]):
            logits, maps, alpha = oracle(net, grid[i].tolist(), ids[i, :length].tolist())
            assert output.logits[i].tolist() == pytest.approx(logits, abs=1e-9)
            assert output.word_weights[i, :length].tolist() == pytest.approx(alpha, abs=1e-9)
            for seen, expected in zip(output.attention[i].flatten(1).tolist(), maps, strict=True):
                assert seen == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("fusion", ["product", "concat"])
def test_pixels_and_kept_grid_give_the_same(fusion):
    net = make(fusion=fusion, coordinates=True)
    ids = questions([3, 5])
    with torch.no_grad():
        a = net(*ids, pixel_values=photos(2))
        b = net(*ids, grid=net.encode_image(photos(2)))
    assert torch.equal(a.logits, b.logits)
    assert torch.equal(a.attention, b.attention)


def test_padding_and_company_change_nothing():
    net = make()
    ids, mask = questions([3, 6])
    grid = net.encode_image(photos(2)).detach()
    together = net(ids, mask, grid=grid)
    alone = net(ids[:1, :3], mask[:1, :3], grid=grid[:1])
    assert torch.allclose(together.logits[:1], alone.logits, atol=1e-6)
    rubbish = ids.clone()
    rubbish[0, 3:] = 7
    assert torch.equal(net(rubbish, mask, grid=grid).logits, together.logits)


@pytest.mark.parametrize(("attention", "loss"), itertools.product(("soft", "hard", "none"), ("sigmoid", "softmax")))
def test_gradient_reaches_every_part(attention, loss):
    net = make(attention=attention, loss=loss).train()
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
    settings = {"id2label": dict(enumerate("abc"))}
    rows = [
        [y * math.log1p(math.exp(-x)) + (1 - y) * math.log1p(math.exp(x)) for x, y in zip(xs, ys, strict=True)]
        for xs, ys in zip(logits.tolist(), labels.tolist(), strict=True)
    ]
    assert float(make(**settings).loss(logits, labels)) == pytest.approx(sum(map(sum, rows)) / 2)
    log_p = [x - math.log(sum(math.exp(v) for v in logits[0].tolist())) for x in logits[0].tolist()]
    expected = -(0.3 * log_p[0] + 1.0 * log_p[2]) / 1.3
    got = make(loss="softmax", **settings).loss(logits, labels)  # the second question has no known answer: no loss
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
    given = {"input_ids": questions([3, 5, 1])[0], "attention_mask": questions([3, 5, 1])[1], "photo_index": index}
    grid = net.encode_image(photos(2))
    with torch.no_grad():
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
