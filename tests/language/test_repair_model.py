"""Reading and writing anew: the network against loops over steps and places, the search against trying all."""

import itertools
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vqa.language.characters import END, PADDING, SPECIAL, START
from vqa.language.repair_model import RepairModel, write
from vqa.model.recurrent import lstm_cell

SIZE = SPECIAL + 3


@pytest.fixture
def net() -> RepairModel:
    torch.manual_seed(1)
    made = RepairModel(SIZE, hidden=5, embedding=4).double()
    for weight in made.parameters():  # far from the mild start, so that a mistake shows
        torch.nn.init.normal_(weight, std=0.6)
    return made.eval()


def naive(net: RepairModel, text: list[int], written: list[int]) -> tuple[Tensor, Tensor]:
    """Logits `(T, size)` and attention `(T, S)` of one text, by the equations, step by step and place by place."""
    size = net.encoder.core.hidden_size
    forward, backward = net.encoder.core.all_weights
    states: list[dict[int, Tensor]] = [{}, {}]
    last = []
    for direction, (weights, order) in enumerate(((forward, range(len(text))), (backward, reversed(range(len(text)))))):
        h = c = torch.zeros(1, size, dtype=torch.float64)
        for i in order:
            step = lstm_cell(net.embedding.weight[text[i]][None], (h, c), *weights)
            h, c = step["h"], step["c"]
            states[direction][i] = h
        last.append((h, c))
    s = [torch.cat((states[0][i], states[1][i]), 1)[0] for i in range(len(text))]
    h, c = (torch.cat((last[0][k], last[1][k]), 1) for k in (0, 1))
    logits, attention = [], []
    for y in written:
        step = lstm_cell(net.embedding.weight[y][None], (h, c), *net.decoder.core.all_weights[0])
        h, c = step["h"], step["c"]
        powers = [torch.exp(h[0] @ (net.key.weight @ place)) for place in s]
        a = [power / sum(powers) for power in powers]
        z = sum(weight * place for weight, place in zip(a, s, strict=True))
        o = torch.tanh(net.join.weight @ torch.cat((h[0], z)))
        logits.append(net.score.weight @ o + net.score.bias)
        attention.append(torch.stack(a))
    return torch.stack(logits), torch.stack(attention)


close = partial(torch.testing.assert_close, rtol=0, atol=1e-10)
TEXTS = [[4, 5, 6, 4, 4], [5], [6, 6, 4]]
WRITTEN = [[START, 4, 5, 6], [START, 5, 5, 4], [START, 6, 4, 4]]


def batch() -> tuple[Tensor, Tensor, Tensor]:
    rows = [torch.tensor(text) for text in TEXTS]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)
    return ids, torch.tensor([len(text) for text in TEXTS]), torch.tensor(WRITTEN)


@torch.no_grad()
def test_at_once_and_step_by_step_equal_loops_over_steps_and_places(net: RepairModel) -> None:
    ids, lengths, written = batch()
    source, state = net.encode(ids, lengths), None
    logits, attention, _ = net.decode(written, source)
    for row, (text, out) in enumerate(zip(TEXTS, WRITTEN, strict=True)):
        wanted, places = naive(net, text, out)
        close(logits[row], wanted)
        close(attention[row], F.pad(places, (0, ids.shape[1] - len(text))))
    assert torch.equal(net(ids, lengths, torch.cat((written, written[:, :1]), 1)), logits)
    for t in range(written.shape[1]):
        *step, state = net.decode(written[:, t : t + 1], source, state)
        close(step, [logits[:, t : t + 1], attention[:, t : t + 1]])
    alone, _, _ = net.decode(written[:1], net.encode(ids[:1], lengths[:1]))  # no padding, so nothing is packed
    close(alone[0], logits[0])


def test_the_loss_is_the_mean_over_what_should_be_written(net: RepairModel) -> None:
    ids, lengths, _ = batch()
    meant = [[START, 4, 5, END], [START, 5, END, PADDING], [START, END, PADDING, PADDING]]
    loss = net.loss(ids, lengths, torch.tensor(meant))
    nats = []
    for text, out in zip(TEXTS, meant, strict=True):
        scores = naive(net, text, out[:-1])[0].log_softmax(-1)
        nats += [-scores[t, wanted] for t, wanted in enumerate(out[1:]) if wanted != PADDING]
    assert abs(float(loss - sum(nats) / len(nats))) < 1e-10
    loss.backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in net.parameters())


def probability(net: RepairModel, text: list[int], out: list[int], banned: Tensor) -> float:
    with torch.no_grad():
        scores = naive(net, text, [START, *out])[0].masked_fill(banned, float("-inf")).log_softmax(-1)
    return float(sum(scores[t, wanted] for t, wanted in enumerate([*out, END])))


@pytest.mark.parametrize("text", TEXTS)
def test_a_wide_search_finds_the_best_of_all(net: RepairModel, text: list[int]) -> None:
    banned = torch.zeros(1, SIZE, dtype=torch.bool)
    banned[:, :SPECIAL] = True
    banned[:, END] = False
    every = [list(out) for n in range(4) for out in itertools.product(range(SPECIAL, SIZE), repeat=n)]
    wanted = sorted(((probability(net, text, out, banned[0]), out) for out in every), reverse=True)[:3]
    found = write(net, torch.tensor([text]), torch.tensor([len(text)]), 100, 3, banned)
    assert found.total()[0, :3].tolist() == pytest.approx([total for total, _ in wanted], abs=1e-9)
    written = [[i for i in ids if i not in (PADDING, END)] for ids in found.ids[0, :3].tolist()]
    assert written == [out for _, out in wanted]
    assert (found.attention[0].sum(-1) - 1).abs().max() < 1e-6


def test_the_narrow_search_is_the_likeliest_character_each_time_in_any_batch(net: RepairModel) -> None:
    ids, lengths, _ = batch()
    banned = torch.zeros(len(ids), SIZE, dtype=torch.bool)
    banned[:, [PADDING, START]] = True
    together = write(net, ids, lengths, 1, 6, banned)
    for row, text in enumerate(TEXTS):
        out: list[int] = []
        while len(out) < 7 and END not in out:
            with torch.no_grad():
                best = int(naive(net, text, [START, *out])[0][-1].masked_fill(banned[row], float("-inf")).argmax())
            out.append(best if len(out) < 6 else END)
        assert [i for i in together.ids[row, 0].tolist() if i != PADDING] == out
