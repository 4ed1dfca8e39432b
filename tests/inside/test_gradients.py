"""How far gradients reach: against a naive chain rule, and what the lecture says of it, in numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vqa.errors import InputError
from vqa.inside.gradients import copy_task, gradient_flow, question_flow, reach, singular_values
from vqa.predict import VQA
from vqa.recurrent import Recurrent


def test_the_plain_cells_gradient_is_the_chain_rule_by_hand() -> None:
    """dL/dh_(t-1) = W^T diag(1 - h_t^2) dL/dh_t, for L = sum of the last state's elements times 1, 2, 3."""
    torch.manual_seed(0)
    core = Recurrent("rnn", 2, 3).double()
    x, toward = torch.randn(1, 7, 2, dtype=torch.float64), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    flow = gradient_flow(core, x, lambda states: (states[:, -1] * toward).sum())
    W, U, b, d = (w.detach().numpy() for w in core.core.all_weights[0])
    h, states = np.zeros(3), []
    for step in x[0].numpy():
        h = np.tanh(W @ step + b + U @ h + d)
        states.append(h)
    gradient, expected = toward.numpy(), []
    for h in reversed(states):
        expected.append(np.sqrt(sum(g * g for g in gradient)))
        gradient = U.T @ ((1 - h * h) * gradient)
    np.testing.assert_allclose(flow.h[0], expected[::-1], atol=1e-10, rtol=0)
    assert flow.singular == pytest.approx([np.linalg.svd(U)[1][0]], abs=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_states_gradient_is_a_finite_difference(cell: str) -> None:
    """Push the state after step t a little, read on with torch's own layer, and see how the loss changes."""
    torch.manual_seed(1)
    core = Recurrent(cell, 2, 3).double()
    x = torch.randn(1, 5, 2, dtype=torch.float64)

    def rest(t: int, h: Tensor, c: Tensor) -> float:
        state = (h, c) if cell == "lstm" else h
        return float(core.core(x[:, t + 1 :], state)[0][:, -1].pow(2).sum())

    flow = gradient_flow(core, x, lambda states: states[:, -1].pow(2).sum())
    with torch.no_grad():
        for t in range(4):
            final = core.core(x[:, : t + 1])[1]
            h, c = final if cell == "lstm" else (final, final)
            gate = core.readable(x)[1][0].get("o", x)[:, t] if cell == "lstm" else h
            for norms, part in ((flow.h[0], 0), *(((flow.c[0], 1),) if cell == "lstm" else ())):
                slopes = []
                for k in range(3):
                    push = torch.zeros_like(h)
                    push[..., k] = 1e-6
                    # a change of the cell is a change of what it shows, too
                    shown = [gate * (torch.tanh(c + s * push) - torch.tanh(c)) for s in (1, -1)]
                    moved = [(h + s * push, c) if part == 0 else (h + shown[s < 0], c + s * push) for s in (1, -1)]
                    both = [rest(t, *states) for states in moved]
                    slopes.append((both[0] - both[1]) / 2e-6)
                assert norms[t] == pytest.approx(np.linalg.norm(slopes), rel=1e-5, abs=1e-9), (cell, t)


def test_a_plain_cell_with_small_weights_forgets() -> None:
    flow = copy_task("rnn", scale=0.5)
    assert flow.singular == pytest.approx([0.5], abs=1e-5)
    assert reach(flow.h[0]) < 0.5**99 * 1.0001  # each step back takes half at least
    assert reach(copy_task("rnn", scale=0.9).h[0]) < 0.9**99


def test_a_plain_cell_with_large_weights_explodes_and_clipping_bounds_it() -> None:
    free, clipped = copy_task("rnn", scale=3.0), copy_task("rnn", scale=3.0, clip=1.0)
    assert reach(free.h[0]) > 1e9 and free.gradient > 1e9 and free.clipped is None
    assert clipped.gradient == free.gradient and clipped.clipped == pytest.approx(1.0, abs=1e-6)
    small = copy_task("rnn", scale=0.5, clip=1.0)
    assert small.clipped == small.gradient < 1  # what is below the bound stays


def test_an_open_forget_gate_keeps_the_gradient() -> None:
    closed, usual, opened = (reach(copy_task("lstm", forget_bias=bias).c[0]) for bias in (0.0, 1.0, 4.0))
    assert closed < 1e-9 < 1e-4 < usual < 1 < opened
    assert usual > 1e3 * reach(copy_task("rnn", scale=0.9).h[0])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_layers_have_curves_of_their_own(cell: str) -> None:
    flow = copy_task(cell, layers=3, steps=12, hidden=8)
    assert [len(curve) for curve in flow.h] == [12] * 3 and len(flow.singular) == 3
    assert [len(curve) for curve in flow.c] == ([12] * 3 if cell == "lstm" else [])
    assert (
        flow == copy_task(cell, layers=3, steps=12, hidden=8) != copy_task(cell, layers=3, steps=12, hidden=8, seed=1)
    )


def test_the_largest_gate_counts() -> None:
    core = Recurrent("lstm", 2, 3)
    with torch.no_grad():
        core.core.weight_hh_l0[3:6] *= 5
    assert singular_values(core) == pytest.approx([5.0], abs=1e-5)


def test_the_models_own_gradient(tiny_checkpoint: Path) -> None:
    """Against the whole model: the gradient of the states that its own forward gives."""
    vqa = VQA.load(tiny_checkpoint, "cpu", "float32")
    photo = Image.new("RGB", (64, 64), (200, 30, 30))
    words, flow = question_flow(vqa, photo, "what color is the cat?")
    assert words == ["what", "color", "is", "the", "cat"] and len(flow.h[0]) == len(flow.c[0]) == 5
    encoder = vqa.model.question_encoder
    input_ids, mask = vqa.processor.encode(["what color is the cat?"])
    states = encoder(input_ids, mask).states.detach().requires_grad_()  # by torch's own kernel
    q, _ = encoder.join(encoder.embedding(input_ids).detach(), states, states[:, -1], mask)
    logits, _ = vqa.model.score(vqa.model.prepare(vqa.look(photo).grid.clone()), q)
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, logits.argmax(-1)), states)
    # the last state leads nowhere but into the question's vector; an earlier one also into those after it
    assert flow.h[0][-1] == pytest.approx(float(gradient[0, -1].norm()), rel=1e-4)
    assert flow.h[0][0] != pytest.approx(float(gradient[0, 0].norm()), rel=1e-2)


@pytest.mark.parametrize("steps", [0, 1, 1001])
def test_a_task_of_no_length_is_refused(steps: int) -> None:
    with pytest.raises(InputError, match="choose 2 to 1000"):
        copy_task("rnn", steps=steps)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="no recurrent cell"):
        copy_task("tanh")
    with pytest.raises(InputError, match="1 to 4 layers"):
        copy_task("rnn", layers=5)
    with pytest.raises(InputError, match="reads in one direction"):
        gradient_flow(Recurrent("rnn", 2, 3, bidirectional=True), torch.randn(1, 2, 2), torch.sum)
