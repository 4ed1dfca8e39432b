"""RNN, LSTM and GRU behind one interface: torch's fast kernels, and the same cells as readable equations."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.compiler import is_compiling
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .device import fast_dtype
from .errors import InputError

State = Tensor | tuple[Tensor, Tensor]
"""What carries on, as in torch: h `(L·dirs, B, H)`, for an LSTM (h, c)."""

Trace = dict[str, Tensor]
"""One layer and direction step by step: `(B, T, H)` under each name in its cell's equations, 0 at padding."""

FEW = 16  # up to so many sequences the plain equations compute a single step faster than torch's kernel


class RecurrentOutput(NamedTuple):
    """states `(B, T, H·dirs)` of the last layer, 0 at padding; last `(B, H·dirs)`, its state when it has read
    the whole sequence (backwards, that is at the first token); final, the state to carry on from (None where
    sequences with lengths are compiled or exported)."""

    states: Tensor
    last: Tensor
    final: State | None


class Recurrent(nn.Module):
    """A recurrent core: `cell` is `rnn`, `lstm` or `gru`, with 1 to 4 layers, in one direction or both.

    Sequences are padded on the right, and the content of the padding never affects the result or a gradient.
    `forward` is the fast path; `readable` is the same function written as its equations, with the same weights.
    forget_bias: an LSTM's forget gate starts at sigmoid(forget_bias), open, so that gradients reach far back
        (Gers et al. 2000; Jozefowicz et al. 2015).

    Raises `InputError` for an unknown cell or number of layers.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        forget_bias: float = 1.0,
    ):
        super().__init__()
        if cell not in CELLS:
            raise InputError(f"There is no recurrent cell {cell!r}; choose one of {', '.join(CELLS)}.")
        if type(num_layers) is not int or num_layers not in range(1, 5):
            raise InputError(f"A recurrent core has 1 to 4 layers, not {num_layers!r}; correct num_layers.")
        self.cell = cell
        kind: Callable[..., nn.RNNBase] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.core = kind(input_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional)
        self.reset_parameters(forget_bias)

    @torch.no_grad()
    def reset_parameters(self, forget_bias: float = 1.0) -> None:
        """Each gate's matrix by itself: orthogonal from the state (Saxe et al. 2014), uniform from the input
        (Glorot & Bengio 2010); biases 0, but the forget gate's two sum to `forget_bias`."""
        size = self.core.hidden_size
        for input_weight, state_weight, input_bias, state_bias in self.core.all_weights:
            for gate in input_weight.split(size):
                nn.init.xavier_uniform_(gate)
            for gate in state_weight.split(size):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(input_bias)
            nn.init.zeros_(state_bias)
            if self.cell == "lstm":  # torch stacks the gates in the order i, f, g, o
                nn.init.constant_(input_bias[size : 2 * size], forget_bias)

    def forward(self, x: Tensor, lengths: Tensor | None = None, state: State | None = None) -> RecurrentOutput:
        """Read the sequences with torch's kernels.

        x: `(B, T, E)`; lengths: `(B,)` integers in 1 … T, without them every sequence has length T.
        state: where to start, zeros if None. A decoder's step is T = 1 with the state of the step before.

        Raises `InputError` for a length outside 1 … T.
        """
        x = x.to(dtype := self.core.all_weights[0][0].dtype)
        if state is not None:
            state = _state([part.to(dtype) for part in _parts(state)])
        with _native_precision(x):
            if lengths is not None:
                if is_compiling() and not self.core.bidirectional:
                    return self._padded(x, lengths, state)
                if torch.is_grad_enabled() and x.is_cpu and self.cell == "lstm" and not is_compiling():
                    return self._learned(x, lengths, state)
                if is_compiling() or lengths.tolist() != [x.shape[1]] * len(x):  # there is padding
                    return self._packed(x, lengths, state)
            if state is not None and self._small_step(x):
                return self.step(x, _parts(state))
            states, final = self.core(x, state)
            return RecurrentOutput(states, self._last(final), final)

    def _small_step(self, x: Tensor) -> bool:
        """Whether this is a decoder's step for a few sequences, where oneDNN's LSTM is slow on a CPU."""
        small = x.shape[1] == 1 and len(x) <= FEW and x.is_cpu and self.cell == "lstm"
        return small and not (self.core.bidirectional or torch.is_grad_enabled() or self.training or is_compiling())

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> RecurrentOutput:
        """A decoder's step through the layers, in their equations: x `(B, 1, E)`; state, of `(L, B, H)` each."""
        below, ends = x[:, 0], []
        for weights, *start in zip(self.core.all_weights, *state, strict=True):
            trace = CELLS[self.cell](below, tuple(start), *weights)
            below = trace["h"]
            ends.append([trace[name] for name in ("h", "c") if name in trace])
        final = _state([torch.stack(part) for part in zip(*ends, strict=True)])
        return RecurrentOutput(below.unsqueeze(1), below, final)

    def _learned(self, x: Tensor, lengths: Tensor, state: State | None) -> RecurrentOutput:
        """An LSTM that is trained on a CPU, in 0.8 of the time of torch's packed kernel (see `LSTMSteps`)."""
        _check(lengths, x.shape[1])
        order = lengths.argsort(descending=True)  # the longest first, so that those still read are the first rows
        back, directions = order.argsort(), 2 if self.core.bidirectional else 1
        valid = torch.arange(x.shape[1])[:, None] < lengths[order]  # (T, B)
        step, place = valid.nonzero(as_tuple=True)
        row, after = order[place], valid.sum(1).cumsum(0).tolist()
        steps = [(slice(a, b), b - a) for a, b in pairwise([0, *after])]  # the rows of each, packed, and their number
        below, beside, ends = x, list[Tensor](), []
        start = _parts(state) if state is not None else (x.new_zeros(len(self.core.all_weights), len(x), 1),) * 2
        for index, (W, U, b, d) in enumerate(self.core.all_weights):
            if beside and index % directions == 0:
                below, beside = torch.cat(beside, -1), []
            at = row, lengths[row] - 1 - step if index % directions else step
            h, c = (part[index, order].expand(-1, self.core.hidden_size) for part in start)
            states, *end = LSTMSteps.apply(below[at], steps, h, c, W, U, b + d)
            beside.append(x.new_zeros(*x.shape[:2], self.core.hidden_size).index_put(at, states))
            ends.append([part[back] for part in end])
        final = _state([torch.stack(part) for part in zip(*ends, strict=True)])
        return RecurrentOutput(torch.cat(beside, -1), self._last(final), final)

    def _packed(self, x: Tensor, lengths: Tensor, state: State | None) -> RecurrentOutput:
        """Only the valid steps are computed: 40 % faster than padding on questions of 8 words of up to 20."""
        lengths = lengths.cpu()
        _check(lengths, x.shape[1])
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        packed, final = self.core(packed, state)
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return RecurrentOutput(states, self._last(final), final)

    def _padded(self, x: Tensor, lengths: Tensor, state: State | None) -> RecurrentOutput:
        """For `torch.export` and `torch.compile`, which cannot pack; in one direction padding is harmless."""
        padding = ~_valid(x, lengths)
        states, _ = self.core(x.masked_fill(padding, 0), state)
        last = states.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, states.shape[-1])).squeeze(1)
        return RecurrentOutput(states.masked_fill(padding, 0), last, None)

    def readable(
        self, x: Tensor, lengths: Tensor | None = None, state: State | None = None
    ) -> tuple[RecurrentOutput, list[Trace]]:
        """Read the sequences word by word, cell by cell; arguments and output are those of `forward`.

        Returns the output, with its exact final state, and the traces: that of layer l and direction d (1 is
        backwards) is at l·dirs + d.
        """
        if lengths is not None:
            _check(lengths, x.shape[1])
        valid = _valid(x, lengths)
        x = x.masked_fill(~valid, 0)
        directions = 2 if self.core.bidirectional else 1
        if state is None:
            zeros = x.new_zeros(self.core.num_layers * directions, len(x), self.core.hidden_size)
            state = (zeros, zeros) if self.cell == "lstm" else zeros
        traces: list[Trace] = []
        ends: list[tuple[Tensor, ...]] = []
        starts = zip(*_parts(state), strict=True)
        for index, (weights, start) in enumerate(zip(self.core.all_weights, starts, strict=True)):
            direction = index % directions
            if direction == 0 and index > 0:
                x = torch.cat([trace["h"] for trace in traces[-directions:]], -1)
            trace, end = self._read(x, valid, start, weights, backwards=direction == 1)
            traces.append(trace)
            ends.append(end)
        states = torch.cat([trace["h"] for trace in traces[-directions:]], -1)
        final = _state([torch.stack(part) for part in zip(*ends, strict=True)])
        return RecurrentOutput(states, self._last(final), final), traces

    def _read(
        self, x: Tensor, valid: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor], backwards: bool
    ) -> tuple[Trace, tuple[Tensor, ...]]:
        """One layer in one direction over x `(B, T, E)` from its `state`: the trace and the state after."""
        steps: list[Trace] = [{}] * x.shape[1]
        for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
            steps[t] = CELLS[self.cell](x[:, t], state, *weights)
            after = [steps[t][name] for name in ("h", "c") if name in steps[t]]
            # a padded step passes the state on, so that the backward direction starts at the last word
            state = tuple(torch.where(valid[:, t], new, old) for new, old in zip(after, state, strict=True))
        trace = {name: torch.stack([step[name] for step in steps], 1) for name in steps[0]}
        return {name: values.masked_fill(~valid, 0) for name, values in trace.items()}, state

    def _last(self, final: State) -> Tensor:
        """The last layer's state `(B, H·dirs)` in the final state."""
        h = _parts(final)[0]
        return torch.cat((h[-2], h[-1]), -1) if self.core.bidirectional else h[-1]


class LSTMSteps(Function):
    """`lstm_cell` over packed sequences, with its gradients: those of the weights are one product over all steps.

    apply: x `(N, E)`, whose rows `steps[t][0]` are the inputs at step t of the sequences that are still read, the
    first ones; h, c `(B, H)`; W, U as in `lstm_cell`, b its two biases added. Returns all h `(N, H)`, and the last
    h and c `(B, H)` of each sequence.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, steps: Any, h: Tensor, c: Tensor, W: Tensor, U: Tensor, b: Tensor) -> Any:
        gates = F.linear(x, W, b)
        ctx.steps, ctx.dtype = steps, gates.dtype  # that of autocast
        gates, h, c, size = gates.to(x.dtype), h.clone(), c.clone(), h.shape[1]
        states, cells, before_h, before_c = (x.new_empty(len(x), size) for _ in range(4))
        for rows, n in steps:
            before_h[rows], before_c[rows] = h[:n], c[:n]
            gates[rows] += F.linear(h[:n], U)
            i, f, g, o = gates[rows].chunk(4, 1)
            gates[rows, : 2 * size].sigmoid_(), g.tanh_(), o.sigmoid_()
            torch.mul(f, c[:n], out=cells[rows]).addcmul_(i, g)
            torch.tanh(cells[rows], out=states[rows]).mul_(o)
            h[:n], c[:n] = states[rows], cells[rows]
        ctx.save_for_backward(x, W, U, gates, cells, before_h, before_c)
        return states, h, c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, states: Tensor, h: Tensor, c: Tensor) -> Any:
        x, W, U, gates, cells, before_h, before_c = ctx.saved_tensors
        h, c, inner, U_ = h.clone(), c.clone(), torch.empty_like(gates), U.to(ctx.dtype)
        for rows, n in reversed(ctx.steps):
            (i, f, g, o), (di, df, dg, do) = (part[rows].chunk(4, 1) for part in (gates, inner))
            dh, dc, tanh_c = h[:n], c[:n], cells[rows].tanh()
            dh += states[rows]
            torch.mul(dh, tanh_c, out=do).mul_(o).mul_(1 - o)
            dc.addcmul_(dh * o, 1 - tanh_c * tanh_c)
            torch.mul(dc, g, out=di).mul_(i).mul_(1 - i)
            torch.mul(dc, before_c[rows], out=df).mul_(f).mul_(1 - f)
            torch.mul(dc, i, out=dg).mul_(1 - g * g)
            dc *= f
            h[:n] = inner[rows].to(ctx.dtype) @ U_
        inner_ = inner.to(ctx.dtype)
        products = inner_ @ W.to(ctx.dtype), inner_.T @ x.to(ctx.dtype), inner_.T @ before_h.to(ctx.dtype)
        dx, dW, dU = (product.to(x.dtype) for product in products)
        return dx, None, h, c, dW, dU, inner.sum(0)


def rnn_cell(x: Tensor, state: tuple[Tensor, ...], W: Tensor, U: Tensor, b: Tensor, d: Tensor) -> Trace:
    """Elman 1990. x `(B, E)`, state (h `(B, H)`,), W `(H, E)`, U `(H, H)`, b and d `(H,)`."""
    (h,) = state
    return {"h": torch.tanh(F.linear(x, W, b) + F.linear(h, U, d))}


def lstm_cell(x: Tensor, state: tuple[Tensor, ...], W: Tensor, U: Tensor, b: Tensor, d: Tensor) -> Trace:
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; one product for the four gates.

    x `(B, E)`, state (h, c) `(B, H)` each, W `(4H, E)`, U `(4H, H)`, b and d `(4H,)`.
    """
    h, c = state
    i, f, g, o = (F.linear(x, W, b) + F.linear(h, U, d)).chunk(4, -1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * c + i * g
    return {"i": i, "f": f, "g": g, "o": o, "c": c, "h": o * torch.tanh(c)}


def gru_cell(x: Tensor, state: tuple[Tensor, ...], W: Tensor, U: Tensor, b: Tensor, d: Tensor) -> Trace:
    """Cho et al. 2014 in cuDNN's form: the reset gate comes after the product with U, not before it.

    x `(B, E)`, state (h `(B, H)`,), W `(3H, E)`, U `(3H, H)`, b and d `(3H,)`.
    """
    (h,) = state
    xr, xz, xn = F.linear(x, W, b).chunk(3, -1)
    hr, hz, hn = F.linear(h, U, d).chunk(3, -1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    n = torch.tanh(xn + r * hn)
    return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * h}


CELLS: dict[str, Callable[..., Trace]] = {"rnn": rnn_cell, "lstm": lstm_cell, "gru": gru_cell}


def _parts(state: State) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def _state(parts: Sequence[Tensor]) -> State:
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]


def _valid(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Which steps of x `(B, T, E)` are not padding: `(B, T, 1)`, true and false."""
    if lengths is None:
        return torch.ones_like(x[..., :1], dtype=torch.bool)
    return (torch.arange(x.shape[1], device=x.device) < lengths.view(-1, 1)).unsqueeze(-1)


def _check(lengths: Tensor, steps: int) -> None:
    if not ((lengths >= 1) & (lengths <= steps)).all():
        raise InputError(f"A sequence's length is not in 1 to {steps}, its steps; leave out empty sequences.")


def _native_precision(x: Tensor) -> AbstractContextManager:
    """Turns autocast off where the CPU only emulates bfloat16: there oneDNN's LSTM refuses it, and the other
    paths are over 20 times slower in it than in float32."""
    if x.is_cpu and torch.is_autocast_enabled("cpu") and fast_dtype(x.device) is torch.float32:
        return torch.autocast("cpu", enabled=False)
    return nullcontext()
