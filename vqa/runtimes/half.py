"""Weights of 16 bits for a few rows on a CPU, where reading the weights takes most of the time.

A checkpoint's weights are numbers of 16 bits. FBGEMM reads them as such and computes in float32: the results are those
of float32 weights, but for the order of the sums, and half as many bytes are read.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.nn import functional as F

from vqa.model.recurrent import Recurrent, RecurrentOutput, State

ROWS = 64  # with more, computing takes the time
STEPS = 16  # for longer sequences PyTorch's LSTM is as fast
multiply = torch.ops.quantized.linear_dynamic_fp16  # x `(…, in)` and packed weights to `(…, out)`


def pack(net: nn.Module) -> None:
    """Let the linear layers, the one-directional LSTMs and the tied embeddings of `net` read weights of 16 bits,
    wherever these are the same numbers; without FBGEMM, as on ARM, nothing changes.

    The float32 weights remain, and are used for training, for gradients, under autocast, for many rows, and once they
    are changed. A change in place by `.data`, or of weights made in inference mode, is not noticed: load the model
    again.
    """
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return
    for module in net.modules():
        if type(module) is nn.Linear and exact(module.weight):
            become(module, HalfLinear, packed(module.weight, module.bias))
        elif hasattr(module, "scores") and isinstance(module, nn.Embedding) and exact(module.weight):
            become(module, HalfEmbedding, packed(module.weight, None))
        elif type(module) is Recurrent and module.cell == "lstm" and not module.core.bidirectional:
            layers = module.core.all_weights
            if all(exact(weight) for W, U, *_ in layers for weight in (W, U)):
                become(module, HalfLSTM, [(packed(W, b + d), packed(U, None)) for W, U, b, d in layers])


def become(module: Any, kind: type[nn.Module], weights: Any) -> None:
    """Make a module one of `kind`. It keeps the tensors that were packed, so that no other one gets their address."""
    module.packed, module.versions = weights, versions(module)
    module.source = [parameter.detach() for parameter in module.parameters()]
    module.__class__ = kind  # last, as other threads may be using the module


def exact(weight: Tensor) -> bool:
    """Whether these are finite weights in float32 that 16 bits store (whose sum cannot overflow).

    A product over nothing is left undefined by FBGEMM.
    """
    usual = weight.numel() > 0 and weight.dtype is torch.float32 and weight.is_cpu
    return usual and bool(weight.sum().isfinite()) and torch.equal(weight.half().float(), weight)


def packed(weight: Tensor, bias: Tensor | None) -> Any:
    """The weights as `multiply` reads them."""
    return torch.ops.quantized.linear_prepack_fp16(weight.detach(), None if bias is None else bias.detach())


def versions(module: nn.Module) -> list[tuple[int, int]]:
    """Numbers that change when the weights do. Tensors made in inference mode count no versions."""
    weights = getattr(module, "core", module)._parameters.values()  # many times as fast as `parameters()`
    return [(w.data_ptr(), 0 if w.is_inference() else w._version) for w in weights if w is not None]


def usable(module: Any, x: Tensor, rows: int) -> bool:
    """Whether the packed weights apply."""
    if is_compiling() or module.training or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    fits = x.is_cpu and x.dtype is torch.float32 and x.dim() > 1 and rows <= ROWS
    return fits and module.versions == versions(module)


class HalfLinear(nn.Linear):
    """A linear layer that multiplies by its packed weights where they apply."""

    packed: Any

    def forward(self, x: Tensor) -> Tensor:
        if not usable(self, x, x.numel() // max(x.shape[-1], 1)):
            return super().forward(x)
        return multiply(x, self.packed)


class HalfEmbedding(nn.Embedding):
    """A `TiedEmbedding` that scores words by its packed weights where they apply."""

    packed: Any

    def scores(self, u: Tensor, bias: Tensor) -> Tensor:
        if not usable(self, u, u.numel() // max(u.shape[-1], 1)):
            return F.linear(u, self.weight, bias)
        return multiply(u, self.packed) + bias


class HalfLSTM(Recurrent):
    """An LSTM that multiplies by its packed weights where they apply, for few and short sequences of equal length."""

    packed: Any

    def forward(self, x: Tensor, lengths: Tensor | None = None, state: State | None = None) -> RecurrentOutput:
        if not usable(self, x, len(x)) or x.shape[1] > STEPS or not fits(state, len(x)):
            return super().forward(x, lengths, state)
        if lengths is not None and lengths.tolist() != [x.shape[1]] * len(x):
            return super().forward(x, lengths, state)
        return self.multiplied(x, state)

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> RecurrentOutput:
        return self.multiplied(x, state) if usable(self, x, len(x)) and fits(state, len(x)) else super().step(x, state)

    def multiplied(self, x: Tensor, state: Any) -> RecurrentOutput:
        """The equations of `lstm_cell` for each layer and step."""
        ends = []
        start = x.new_zeros(2, len(self.packed), len(x), self.core.hidden_size) if state is None else state
        for (W, U), h, c in zip(self.packed, *start, strict=True):
            states = []
            for inputs in multiply(x, W).unbind(1):
                i, f, g, o = (inputs + multiply(h, U)).chunk(4, -1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
                states.append(h)
            x = torch.stack(states, 1)
            ends.append((h, c))
        h, c = (torch.stack(part) for part in zip(*ends, strict=True))
        return RecurrentOutput(x, h[-1], (h, c))


def fits(state: Any, count: int) -> bool:
    """Whether a state is none, or one in float32 of so many sequences."""
    return state is None or all(part.dtype is torch.float32 and part.shape[1] == count for part in state)
