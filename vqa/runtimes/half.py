"""Weights of 16 bits for a few rows on a CPU, where reading the weights takes most of the time.

A checkpoint's weights are numbers of 16 bits. FBGEMM reads them as such and computes in float32: the results are those
of float32 weights, but for the order of the sums, and half as many bytes are read.
"""

from typing import Any

import torch
from torch import Tensor, nn

from vqa.model.recurrent import Recurrent, RecurrentOutput, State

ROWS = 64  # with more, computing takes the time
STEPS = 16  # of a sequence; PyTorch's own LSTM keeps the weights in the cache
multiply = torch.ops.quantized.linear_dynamic_fp16  # x `(…, in)` and packed weights to `(…, out)`


def pack(net: nn.Module) -> None:
    """Let the linear layers and the one-directional LSTMs of `net` read weights of 16 bits, wherever these are the same
    numbers. Without FBGEMM, as on ARM, nothing changes; nor does it for gradients, under autocast, or for many rows."""
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return
    for module in net.modules():
        if type(module) is nn.Linear and exact(module.weight):
            become(module, HalfLinear, packed(module.weight, module.bias))
        elif type(module) is Recurrent and module.cell == "lstm" and not module.core.bidirectional:
            layers = module.core.all_weights
            if all(exact(weight) for W, U, *_ in layers for weight in (W, U)):
                become(module, HalfLSTM, [(packed(W, b + d), packed(U, None)) for W, U, b, d in layers])


def become(module: Any, kind: type[nn.Module], weights: Any) -> None:
    """Make a module one of `kind`."""
    module.__class__, module.packed, module.versions = kind, weights, versions(module)


def exact(weight: Tensor) -> bool:
    """Whether 16 bits store the weight's numbers."""
    return weight.is_cpu and torch.equal(weight.half().to(weight.dtype), weight)


def packed(weight: Tensor, bias: Tensor | None) -> Any:
    """The weights as `multiply` reads them."""
    return torch.ops.quantized.linear_prepack_fp16(weight.detach(), None if bias is None else bias.detach())


def versions(module: nn.Module) -> list[int]:
    """Numbers that change when the weights do."""
    return [parameter._version for parameter in module.parameters()]


def usable(module: Any, x: Tensor, rows: int) -> bool:
    """Whether the packed weights apply."""
    slow = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or rows > ROWS
    return not slow and x.is_cpu and x.dim() > 1 and x.dtype is torch.float32 and module.versions == versions(module)


class HalfLinear(nn.Linear):
    """`nn.Linear`."""

    packed: Any

    def forward(self, x: Tensor) -> Tensor:
        if not usable(self, x, x.numel() // max(x.shape[-1], 1)):
            return super().forward(x)
        return multiply(x, self.packed)


class HalfLSTM(Recurrent):
    """`Recurrent`, for sequences of equal length."""

    packed: Any

    def forward(self, x: Tensor, lengths: Tensor | None = None, state: State | None = None) -> RecurrentOutput:
        whole = lengths is None or lengths.tolist() == [x.shape[1]] * len(x)
        if not whole or x.shape[1] > STEPS or not usable(self, x, len(x)):
            return super().forward(x, lengths, state)
        layers, ends = self.packed, []
        start = state if state is not None else x.new_zeros(2, len(layers), len(x), self.core.hidden_size)
        for (W, U), h, c in zip(layers, *start, strict=True):
            states = []
            for inputs in multiply(x, W).unbind(1):  # as `lstm_cell`
                i, f, g, o = (inputs + multiply(h, U)).chunk(4, -1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
                states.append(h)
            x = torch.stack(states, 1)
            ends.append((h, c))
        h, c = (torch.stack(part) for part in zip(*ends, strict=True))
        return RecurrentOutput(x, h[-1], (h, c))

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> RecurrentOutput:
        return self(x, None, state) if usable(self, x, len(x)) else super().step(x, state)
