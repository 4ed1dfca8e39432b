"""The fast path, the readable path and a naive loop agree, forwards and backwards; padding never counts."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vqa.model import recurrent
from vqa.model.errors import InputError
from vqa.model.recurrent import Recurrent

CELLS = ("rnn", "lstm", "gru")
GATES = {"rnn": "h", "lstm": "ifgoch", "gru": "rznh"}
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
IN, HIDDEN, STEPS = 3, 4, 4
LENGTHS = (3, 4, 1)
EXACT = {"rtol": 0, "atol": 1e-10}


def build(cell, layers=1, bidirectional=False, seed=0, **options) -> Recurrent:
    """A float64 core with random weights everywhere, biases too, so that no term is hidden by a zero."""
    torch.manual_seed(seed)
    module = Recurrent(cell, IN, HIDDEN, layers, bidirectional, **options).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.6)
    return module


def tensors(*shapes, seed=1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def pack_state(parts):
    return tuple(parts) if len(parts) > 1 else parts[0]


def flat(output) -> list[Tensor]:
    """states, last, h and, for an LSTM, c."""
    final = output.final
    return [output.states, output.last, *(final if isinstance(final, tuple) else [final])]


def close(actual, expected, **tolerance):
    torch.testing.assert_close(actual, expected, **(tolerance or EXACT))


def naive_step(cell, x, h, c, W, U, b, d) -> dict[str, Tensor]:
    """One example, one step, a gate at a time: torch documents the order of the gates' rows."""
    from_x, from_h = (W @ x + b).split(HIDDEN), (U @ h + d).split(HIDDEN)

    def sigmoid(k):
        return 1 / (1 + torch.exp(-from_x[k] - from_h[k]))

    if cell == "rnn":
        return {"h": torch.tanh(from_x[0] + from_h[0])}
    if cell == "lstm":
        i, f, g, o = sigmoid(0), sigmoid(1), torch.tanh(from_x[2] + from_h[2]), sigmoid(3)
        c = f * c + i * g
        return {"i": i, "f": f, "g": g, "o": o, "c": c, "h": o * torch.tanh(c)}
    r, z = sigmoid(0), sigmoid(1)
    n = torch.tanh(from_x[2] + r * from_h[2])
    return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * h}


def naive(module, x, lengths, start):
    """Loops over examples, layers, directions and steps. Returns `flat`'s list and the traces."""
    cell, weights = module.cell, dict(module.core.named_parameters())
    suffixes = ("", "_reverse") if module.core.bidirectional else ("",)
    traces = [{name: torch.zeros(*x.shape[:2], HIDDEN).double() for name in GATES[cell]} for _ in start[0]]
    ends: list[list[list[Tensor]]] = [[[] for _ in start[0]] for _ in start]
    states = torch.zeros(*x.shape[:2], HIDDEN * len(suffixes)).double()
    last = []
    for example, length in enumerate(lengths):
        layer_input = [x[example, t] for t in range(length)]
        for layer in range(module.core.num_layers):
            outputs: list[list[Tensor]] = [[] for _ in range(length)]
            for direction, suffix in enumerate(suffixes):
                index = layer * len(suffixes) + direction
                named = [weights[f"{name}_l{layer}{suffix}"] for name in NAMES]
                h, c = (part[index, example] for part in (start[0], start[-1]))  # only an LSTM reads c
                for t in range(length) if direction == 0 else range(length - 1, -1, -1):
                    step = naive_step(cell, layer_input[t], h, c, *named)
                    h, c = step["h"], step.get("c")
                    outputs[t].append(h)
                    for name, value in step.items():
                        traces[index][name][example, t] = value.detach()
                for end, value in zip(ends, (h, c), strict=False):
                    end[index].append(value)
            layer_input = [torch.cat(pair) for pair in outputs]
        states = states.index_put((torch.tensor([example] * length), torch.arange(length)), torch.stack(layer_input))
        last.append(torch.cat([ends[0][index - len(suffixes)][-1] for index in range(len(suffixes))]))
    final = [torch.stack([torch.stack(examples) for examples in part]) for part in ends]
    return [states, torch.stack(last), *final], traces


def gradients(outputs, inputs) -> list[Tensor]:
    """Of a random projection of every output."""
    return list(torch.autograd.grad(outputs, inputs, tensors(*[out.shape for out in outputs]), retain_graph=True))


@pytest.mark.parametrize("ragged", [True, False], ids=["ragged", "full"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("layers", [1, 4])
@pytest.mark.parametrize("cell", CELLS)
def test_fast_path_readable_path_and_naive_loop_agree(cell, layers, bidirectional, ragged):
    module = build(cell, layers, bidirectional)
    lengths = torch.tensor(LENGTHS) if ragged else None
    shape = (layers * (2 if bidirectional else 1), len(LENGTHS), HIDDEN)
    x, *start = tensors((len(LENGTHS), STEPS, IN), *[shape] * (2 if cell == "lstm" else 1), seed=2)
    inputs = [part.requires_grad_() for part in (x, *start)] + list(module.parameters())
    state = pack_state(start)

    expected, expected_traces = naive(module, x, LENGTHS if ragged else [STEPS] * len(LENGTHS), start)
    readable, traces = module.readable(x, lengths, state)
    fast = module(x, lengths, state)

    close(flat(readable), expected)
    close(traces, expected_traces)
    close(flat(fast), expected)
    wanted = gradients(expected, inputs)
    close(gradients(flat(readable), inputs), wanted)
    close(gradients(flat(fast), inputs), wanted)
    if ragged and not bidirectional:
        traced = module._padded(x, lengths, state)[:2]
        close(list(traced), expected[:2])
        close(gradients(traced, inputs), gradients(expected[:2], inputs))


@settings(max_examples=30)
@given(
    cell=st.sampled_from(CELLS),
    layers=st.integers(1, 2),
    bidirectional=st.booleans(),
    path=st.sampled_from(["fast", "traced", "readable"]),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    extra=st.integers(0, 4),
    junk=st.sampled_from([0.0, -7.5, 1e300, math.inf, math.nan]),
    seed=st.integers(0, 999),
)
def test_padding_changes_neither_values_nor_gradients(cell, layers, bidirectional, path, lengths, extra, junk, seed):
    """Each sequence alone, without padding, against the batch with any padding and any amount of it."""
    module = build(cell, layers, bidirectional, seed)
    longest = max(lengths) + extra
    (clean,) = tensors((len(lengths), longest, IN), seed=seed)
    padding = torch.arange(longest) >= torch.tensor(lengths)[:, None]
    x = clean.masked_fill(padding[..., None], junk).requires_grad_()

    if path == "readable":
        batch = module.readable(x, torch.tensor(lengths))[0]
    elif path == "traced" and not bidirectional:  # what is compiled or exported cannot pack; both directions always do
        batch = module._padded(x, torch.tensor(lengths), None)
    else:
        batch = module(x, torch.tensor(lengths))
    assert batch.states.shape[:2] == padding.shape
    assert (batch.states[padding] == 0).all()
    weights, inputs = tensors(batch.states.shape, batch.last.shape, seed=seed + 1), [x, *module.parameters()]
    got = torch.autograd.grad([batch.states, batch.last], inputs, weights)
    assert (got[0][padding] == 0).all()

    alone = [module(x[row, None, :length]) for row, length in enumerate(lengths)]
    expected = [torch.cat([one.states[0] for one in alone]), torch.cat([one.last for one in alone])]
    close([batch.states[~padding], batch.last], expected)
    close(got, torch.autograd.grad(expected, inputs, [weights[0][~padding], weights[1]]))
    if batch.final is not None:
        ends = zip(*(flat(one)[2:] for one in alone), strict=True)
        close(flat(batch)[2:], [torch.cat(parts, 1) for parts in ends])


@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
def test_an_lstm_learns_by_its_own_steps_as_by_torch_s(bidirectional, monkeypatch):
    """Outputs, states to carry on from, gradients; from a start that is not zero; the rows stay in their order."""
    module, lengths = build("lstm", 2, bidirectional), torch.tensor([4, 1, 3, 3, 5, 1])
    shape = (2 * (1 + bidirectional), len(lengths), HIDDEN)
    inputs = [part.requires_grad_() for part in tensors((len(lengths), 5, IN), shape, shape)]
    expected = module._packed(inputs[0], lengths, tuple(inputs[1:]))
    monkeypatch.setattr(module, "_packed", None)
    found = module(inputs[0], lengths, tuple(inputs[1:]))
    close(flat(found), flat(expected))
    inputs += module.parameters()
    close(gradients(flat(found), inputs), gradients(flat(expected), inputs))


@pytest.mark.parametrize("given", ["state", "lengths"])
@pytest.mark.parametrize(("rows", "steps"), [(1, 1), (recurrent.FEW, 1), (recurrent.FEW + 1, 1), (1, 6), (2, 6)])
@pytest.mark.parametrize("cell", CELLS)
def test_sequences_of_one_length_without_gradients_are_read_as_torch_reads_them(cell, rows, steps, given):
    """They are not packed, and a decoder's step of a few takes a way of its own."""
    module = build(cell, 3).eval()
    shape = (3, rows, HIDDEN)
    x, *start = tensors((rows, steps, IN), *[shape] * (2 if cell == "lstm" else 1))
    state = pack_state(start) if given == "state" else None
    states, final = module.core(x, state)
    with torch.inference_mode():
        output = module(x, None if given == "state" else torch.full((rows,), steps), state)
    close(flat(output)[2:], list(final) if cell == "lstm" else [final])
    close(output.states, states)
    close(output.last, states[:, -1])


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_the_finite_differences(cell):
    module = build(cell, 2, bidirectional=True)
    names = [name for name, _ in module.named_parameters()]
    (x,) = tensors((2, 3, IN))

    def run(x, *weights):
        output = torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (x, torch.tensor([3, 2])))
        return output.states, output.last

    inputs = [tensor.detach().clone().requires_grad_() for tensor in (x, *module.parameters())]
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_the_forget_gate_starts_open_and_every_other_bias_at_zero():
    for wanted, options in ((1.0, {}), (2.5, {"forget_bias": 2.5})):
        core = Recurrent("lstm", IN, HIDDEN, 2, bidirectional=True, **options).core
        for layer in ("l0", "l0_reverse", "l1", "l1_reverse"):
            total = getattr(core, f"bias_ih_{layer}") + getattr(core, f"bias_hh_{layer}")
            expected = torch.tensor([0.0, wanted, 0.0, 0.0]).repeat_interleave(HIDDEN)
            assert torch.equal(total, expected)
    for cell in ("rnn", "gru"):
        core = Recurrent(cell, IN, HIDDEN).core
        assert not core.bias_ih_l0.any() and not core.bias_hh_l0.any()


@pytest.mark.parametrize("cell", CELLS)
def test_each_gate_s_weights_start_as_the_papers_say(cell):
    core = Recurrent(cell, 30, 20, 2, bidirectional=True).core
    for input_weight, state_weight, *_ in core.all_weights:
        for gate in state_weight.split(20):
            close(gate @ gate.T, torch.eye(20), rtol=0, atol=1e-5)
        bound = math.sqrt(6 / (20 + input_weight.shape[1]))  # Glorot & Bengio 2010, eq. 16
        for gate in input_weight.split(20):
            assert 0.9 * bound < gate.abs().max() <= bound


@pytest.mark.parametrize("lengths", [None, torch.tensor(LENGTHS)], ids=["full", "ragged"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("cell", CELLS)
def test_autocast_to_bfloat16_stays_close(cell, bidirectional, lengths):
    """On any CPU: one that only emulates bfloat16 computes in float32."""
    module = build(cell, 2, bidirectional).float()
    x = tensors((len(LENGTHS), STEPS, IN))[0].float()
    expected = module(x, lengths)
    with torch.autocast("cpu", torch.bfloat16):
        output = module(x.bfloat16(), lengths)
        # A decoder takes back whatever dtype the step before gave.
        module(x[:, :1], state=pack_state([part.bfloat16() for part in flat(expected)[2:]]))
    close(output.states.float(), expected.states, rtol=0, atol=0.06)
    close(output.last.float(), expected.last, rtol=0, atol=0.06)
    output.last.float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@pytest.mark.parametrize("cell", CELLS)
def test_autocast_is_heeded_where_the_machine_computes_in_bfloat16(cell, monkeypatch):
    """While it learns: torch's LSTM cannot be emulated, so that a machine without bfloat16 can play one with it."""
    module, lengths = build(cell).float(), torch.tensor(LENGTHS)
    (x,) = (part.float().requires_grad_() for part in tensors((len(LENGTHS), STEPS, IN)))
    exact = module(x, lengths)
    monkeypatch.setattr(recurrent, "fast_dtype", lambda device: torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        rough = module(x, lengths)
    assert (rough.states - exact.states).any()
    most = 0.02 if cell == "lstm" else 0.06
    close(rough.states, exact.states, rtol=0, atol=most, check_dtype=cell == "lstm")
    found, expected = (gradients([read.states, read.last], [x, *module.parameters()]) for read in (rough, exact))
    close(found, expected, rtol=0, atol=5 * most)


@pytest.mark.filterwarnings("ignore:The tensor attributes .* were assigned during export")
def test_one_direction_can_be_exported():
    module, (x,) = build("lstm").eval(), tensors((len(LENGTHS), STEPS, IN))
    exported = torch.export.export(module, (x, torch.tensor(LENGTHS))).module()
    lengths = torch.tensor([2, 1, 4])  # others than those that it was traced with
    assert exported(x, lengths).final is None
    close(exported(x, lengths)[:2], module(x, lengths)[:2])


def test_unknown_cells_and_layers_are_refused():
    with pytest.raises(InputError, match="no recurrent cell 'tree'; choose one of rnn, lstm, gru"):
        Recurrent("tree", IN, HIDDEN)
    for layers in (True, 0, 5):
        with pytest.raises(InputError, match=f"1 to 4 layers, not {layers}"):
            Recurrent("lstm", IN, HIDDEN, layers)


@pytest.mark.parametrize("lengths", [[0, 1], [5, 6], [-1, 2]])
@pytest.mark.parametrize(("cell", "bidirectional"), [("lstm", False), ("gru", False), ("gru", True)])
def test_lengths_that_cannot_be_are_refused(cell, bidirectional, lengths):
    module, (x,) = build(cell, bidirectional=bidirectional), tensors((2, 5, IN))
    for run in (module, module.readable):
        with pytest.raises(InputError, match="length is not in 1 to 5"):
            run(x, torch.tensor(lengths))
