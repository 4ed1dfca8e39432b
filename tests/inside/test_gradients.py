"""How far gradients reach: against a naive chain rule, and what the lecture says of it, in numbers."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.data.refusal import refusal
from vqa.inside.gradients import copy_task, gradient_flow, of_one_length, question_flow, question_task, reach
from vqa.model.recurrent import Recurrent
from vqa.predict import VQA


def test_the_plain_cells_gradient_is_the_chain_rule_by_hand() -> None:
    """dL/dh_(t-1) = W^T diag(1 - h_t^2) dL/dh_t, for L = sum of the last state's elements times 1, 2, 3."""
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
    flow = gradient_flow(core, x, lambda states: states[:, -1].pow(2).sum())

    def slope(t: int, part: int, push: Tensor) -> float:
        """Of the loss along h (part 0) or c (1) after step t; a change of c is a change of what it shows, too."""
        state = core.core(x[:, : t + 1])[1]
        losses = []
        for sign in (1e-6, -1e-6):
            if cell != "lstm":
                moved: Tensor | tuple[Tensor, Tensor] = state + sign * push
            elif part == 0:
                moved = state[0] + sign * push, state[1]
            else:
                c, gate = state[1] + sign * push, core.readable(x)[1][0]["o"][:, t]
                moved = gate * torch.tanh(c), c
            losses.append(float(core.core(x[:, t + 1 :], moved)[0][:, -1].pow(2).sum()))
        return (losses[0] - losses[1]) / 2e-6

    with torch.no_grad():
        for part, (norms,) in enumerate(filter(None, (flow.h, flow.c))):
            for t in range(4):
                slopes = [slope(t, part, push) for push in torch.eye(3, dtype=torch.float64)]
                assert norms[t] == pytest.approx(np.linalg.norm(slopes), rel=1e-5, abs=1e-9), (part, t)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_layers_have_curves_of_their_own(cell: str) -> None:
    flow, same, other = (copy_task(cell, layers=3, steps=12, hidden=8, seed=seed) for seed in (0, 0, 1))
    assert [len(curve) for curve in flow.h] == [12] * 3 and len(flow.singular) == 3
    assert [len(curve) for curve in flow.c] == ([12] * 3 if cell == "lstm" else [])
    assert flow == same != other


def test_the_largest_gate_counts() -> None:
    core = Recurrent("lstm", 2, 3)
    with torch.no_grad():
        core.core.weight_hh_l0[3:6] *= 5
    flow = gradient_flow(core, torch.randn(1, 2, 2), torch.sum)
    assert flow.singular == pytest.approx([5.0], abs=1e-5)


def test_the_models_own_gradient(tiny_checkpoint: Path) -> None:
    """Against the whole model: the gradient of the states that its own forward gives."""
    vqa = VQA.load(tiny_checkpoint, "cpu", "float32")
    photo = Image.new("RGB", (64, 64), (200, 30, 30))
    words, flow = question_flow(vqa, photo, "what color is the cat?")
    assert words == ["what", "color", "is", "the", "cat"] and len(flow.h[0]) == len(flow.c[0]) == 5
    encoder = vqa.model.question_encoder
    input_ids, mask = vqa.encode(["what color is the cat?"])
    states = encoder(input_ids, mask).states.detach().requires_grad_()  # by torch's own kernel
    q, _ = encoder.join(encoder.embedding(input_ids).detach(), states, states[:, -1], mask)
    logits, _ = vqa.model.score(vqa.model.prepare(vqa.look(photo).grid.clone()), q)
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, logits.argmax(-1)), states)
    # the last state leads nowhere but into the question's vector; an earlier one also into those after it
    assert flow.h[0][-1] == pytest.approx(float(gradient[0, -1].norm()), rel=1e-4)
    assert flow.h[0][0] != pytest.approx(float(gradient[0, 0].norm()), rel=1e-2)


QUESTION = "what color is the big cat on the other table over there?"


@pytest.fixture(scope="module")
def vqa() -> VQA:
    """The bundled model: what is claimed is claimed of real word vectors."""
    return VQA.load(device="cpu", dtype="float32")


@pytest.mark.parametrize(("task", "layers"), [("copy", 1), ("question", 1), ("question", 4)])
def test_gradients_vanish_explode_are_clipped_and_preserved(vqa: VQA, task: str, layers: int) -> None:
    """Ninety-nine steps back over symbols, eleven over a real question."""
    follow = partial(copy_task if task == "copy" else partial(question_task, vqa, [QUESTION]), layers=layers)
    small, large, clipped, bounded = (
        follow("rnn", scale=scale, clip=clip) for scale, clip in ((0.5, None), (3.0, None), (3.0, 1.0), (0.5, 1.0))
    )
    back = 99 if task == "copy" else 11
    assert len(small.h[0]) == back + 1 and small.singular == pytest.approx([0.5] * layers, abs=1e-5)
    assert reach(small.h[-1]) < 0.5**back * 1.0001  # each step back takes half at least
    assert reach(large.h[-1]) > 5 and large.gradient > 10 and large.clipped is None and large.clip_factor == 1.0
    assert clipped.gradient == large.gradient and clipped.clipped == pytest.approx(1.0, abs=1e-6)
    assert clipped.clip_factor == pytest.approx(1 / clipped.gradient)
    if bounded.gradient < 1:  # below the bound
        assert bounded.clipped == bounded.gradient and bounded.clip_factor == 1.0
    closed, usual, opened = (reach(follow("lstm", forget_bias=bias).c[-1]) for bias in (0.0, 1.0, 4.0))
    assert closed < 0.05 < 1 < opened and 100 * reach(small.h[-1]) < usual < min(1, reach(large.h[-1]))
    assert usual > (1e-4 if task == "copy" else 0.05)


def test_question_task_equals_its_parts(vqa: VQA) -> None:
    """Against torch's own layer: the model's word vectors through it, a head over the last state, one answer."""
    flow = question_task(vqa, [QUESTION], "gru", hidden=7, seed=3)
    torch.manual_seed(3)
    core = Recurrent("gru", 300, 7).double()
    head = torch.nn.Linear(7, len(vqa.answers)).double()
    input_ids, _ = vqa.encode([QUESTION])
    x = vqa.model.question_encoder.embedding(input_ids).detach().double()
    answer = vqa.answers.index(vqa.ask(Image.new("RGB", (64, 64)), QUESTION).blind.answer)
    loss = torch.nn.functional.cross_entropy(head(core.core(x)[0][:, -1]), torch.tensor([answer]))
    gradients = torch.autograd.grad(loss, list(core.parameters()))
    assert flow.gradient == pytest.approx(float(torch.cat([g.flatten() for g in gradients]).norm()), rel=1e-9)


def test_questions_of_one_length_are_chosen(vqa: VQA) -> None:
    some = ["is it?", "why?", "who is it?", "what is it?", "who is it?", "where is it?", "is the cat on the mat?"]
    assert of_one_length(vqa, some, 3) == ["who is it?", "what is it?", "where is it?"]
    assert "No 4 of the questions have the same number" in refusal(of_one_length, vqa, some, 4)
    assert "differ in their number of words" in refusal(question_task, vqa, some[:2], "rnn")
    assert "The question is empty" in refusal(question_task, vqa, [" "], "rnn")


def test_invalid_settings_are_refused() -> None:
    for steps in (0, 1, 1001):
        assert "choose 2 to 1000" in refusal(copy_task, "rnn", steps=steps)
    assert "no recurrent cell" in refusal(copy_task, "tanh")
    assert "1 to 4 layers" in refusal(copy_task, "rnn", layers=5)
    core = Recurrent("rnn", 2, 3, bidirectional=True)
    assert "reads in one direction" in refusal(gradient_flow, core, torch.randn(1, 2, 2), torch.sum)
