"""The whole model on one screen: encode, look, join, score.

Written by Glimpse (`python -m vqa.refresh`) from vqa.attention, vqa.device, vqa.fusion, vqa.image_encoder, vqa.looks,
vqa.model, vqa.question_encoder, vqa.recurrent.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers.modeling_outputs import ModelOutput
from transformers.modeling_utils import PreTrainedModel

from .configuration_glimpse import InputError, VQAConfig


class Fusion(nn.Module):
    """Join `a (…, A)` and `b (…, B)` into `(…, F)`; leading dimensions broadcast.

        product:  relu(W_a a) ⊙ relu(W_b b)          (Anderson et al. 2018, with ReLU for the gated tanh)
        concat:   relu(W [a; b]) = relu(W_a a + W_b b)

    A matrix times a concatenation is the sum of two products, so both forms project each side once: for the
    attention this means that a photo's grid is projected once, however many questions are asked about it.
    """

    def __init__(self, kind: str, a_size: int, b_size: int, size: int, dropout: float = 0.0):
        super().__init__()
        self.kind = kind
        self.dropout = nn.Dropout(dropout)
        self.project_a = nn.Linear(a_size, size)
        self.project_b = nn.Linear(b_size, size, bias=kind == "product")

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.join(self.side_a(a), self.side_b(b))

    def side_a(self, a: Tensor) -> Tensor:
        """The part that depends on `a` alone."""
        a = self.project_a(self.dropout(a))
        return a.relu() if self.kind == "product" else a

    def side_b(self, b: Tensor) -> Tensor:
        """The part that depends on `b` alone."""
        b = self.project_b(self.dropout(b))
        return b.relu() if self.kind == "product" else b

    def join(self, side_a: Tensor, side_b: Tensor) -> Tensor:
        """`(…, F)` from the two sides."""
        return side_a * side_b if self.kind == "product" else (side_a + side_b).relu()


class SpatialAttention(nn.Module):
    """G glimpses of a grid `v (P, N, D)` for questions `q (B, H)`.

        s_gn = w_g · fuse(v_n, q)     a_g = softmax_n(s_gn)     z_g = Σ_n a_gn v_n

    soft: as written (Xu et al. 2015, section 4.2; several glimpses as in Kazemi & Elqursh 2017).
    hard: one place. In training it is sampled and the gradient goes straight through the soft weights (the
        Gumbel-softmax straight-through estimator, Jang et al. 2017); otherwise it is the place of the highest score.
    none: a_gn = 1 / N, the mean of the grid.

    A photo's questions are laid side by side, so that its grid is read and projected once for all of them.
    """

    def __init__(self, config: VQAConfig, channels: int):
        super().__init__()
        self.kind, self.glimpses = config.attention, config.glimpses
        self.out_size = config.glimpses * channels
        if self.kind != "none":
            size = config.attention_size
            self.fuse = Fusion(config.fusion, channels, config.question_size, size)
            self.dropout = nn.Dropout(config.dropout)
            self.score = nn.Linear(size, config.glimpses, bias=False)  # a bias would cancel in the softmax

    def forward(self, grid: Tensor, question: Tensor, photo_index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns glimpses `(B, G·D)` and the attention `(B, G, N)`, each map summing to 1.

        photo_index `(B,)` names each question's row of `grid`; without it question i looks at row i.
        """
        if photo_index is None:
            photo_index = torch.arange(question.shape[0], device=question.device)
        slot = earlier(photo_index)
        scores = self.scores(grid, question, photo_index, slot)
        weights = self.weights(scores)
        beside = side_by_side(weights.to(grid.dtype), photo_index, slot, grid.shape[0])  # (P, S, G, N)
        seen = (beside.flatten(1, 2) @ grid).unflatten(1, beside.shape[1:3])  # (P, S, G, D)
        return seen[photo_index, slot].flatten(1), weights

    def scores(self, grid: Tensor, question: Tensor, photo_index: Tensor, slot: Tensor) -> Tensor:
        """s `(B, G, N)` in float32."""
        if self.kind == "none":
            return question.new_zeros(question.shape[0], self.glimpses, grid.shape[1], dtype=torch.float32)
        places, asked = self.fuse.side_a(grid), self.fuse.side_b(question)
        if self.fuse.kind == "product":
            # w · (v ⊙ q) = v · (w ⊙ q): a matrix product a photo, without a (B, N, K) tensor
            keys = self.score.weight * self.dropout(asked).unsqueeze(1)  # (B, G, K)
            beside = side_by_side(keys, photo_index, slot, grid.shape[0])  # (P, S, G, K)
            scores = (beside.flatten(1, 2) @ places.transpose(1, 2)).unflatten(1, beside.shape[1:3])
            return scores[photo_index, slot].float()
        joint = self.fuse.join(places.index_select(0, photo_index), asked.unsqueeze(1))
        return self.score(self.dropout(joint)).float().transpose(1, 2)

    def weights(self, scores: Tensor) -> Tensor:
        """a `(B, G, N)` from s."""
        if self.kind != "hard":
            return scores.softmax(-1)
        if self.training:
            return F.gumbel_softmax(scores, hard=True, dim=-1)
        return F.one_hot(scores.argmax(-1), scores.shape[-1]).float()


def earlier(photo_index: Tensor) -> Tensor:
    """`(B,)`: how many earlier questions of the batch are about the same photo."""
    return (photo_index[:, None] == photo_index).tril(-1).sum(1)


def side_by_side(rows: Tensor, photo_index: Tensor, slot: Tensor, photos: int) -> Tensor:
    """Rows of questions `(B, …)` as `(P, S, …)`, S the most questions of a photo; the rest is 0."""
    most: Any = slot.max().item() + 1  # int() would make it a constant in an exported graph, as len() does with P and B
    beside = rows.new_zeros(photos, most, *rows.shape[1:])
    beside[photo_index, slot] = rows
    return beside


class ImageEncoder(nn.Module):
    """`(B, 3, S, S)` pixels, normalised, to a grid `(B, N, D)`: N = h * w places, row by row, D channels.

    Attributes `height`, `width` and `channels` say h, w and D. Raises `InputError` for an unknown name or a
    network that gives no spatial grid.
    """

    def __init__(self, backbone: str, image_size: int):
        super().__init__()
        self.cnn = build_cnn(backbone)
        self.height, self.width, self.channels = probe(self.cnn, backbone, image_size)

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.cnn(pixel_values).flatten(2).transpose(1, 2)

    def stages(self) -> list[nn.Module]:
        """The CNN's parts from the pixels on: its layers, and in a sequence of blocks each block."""
        net = self.cnn.net if isinstance(self.cnn, TimmGrid) else self.cnn
        parts = [part.children() if isinstance(part, nn.Sequential) else (part,) for part in net.children()]
        return [stage for part in parts for stage in part]


class TimmGrid(nn.Module):
    """A timm network without its pooling and classifier: `(B, 3, S, S)` to `(B, D, h, w)`."""

    def __init__(self, name: str):
        super().__init__()
        import timm

        try:
            self.net: Any = timm.create_model(name, pretrained=False, num_classes=0, global_pool="")
        except RuntimeError as error:
            near = ", ".join(timm.list_models(f"*{name[:8]}*")[:5])
            raise InputError(f"timm has no model '{name}'; near names: {near or 'none'}.") from error

    def forward(self, pixel_values: Tensor) -> Tensor:
        grid = self.net.forward_features(pixel_values)
        channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"  # such as Swin's
        return grid.permute(0, 3, 1, 2) if channels_last else grid


class TinyCNN(nn.Sequential):
    """A small CNN from scratch for drawn worlds of 64 to 128 pixels: `(B, 3, S, S)` to `(B, D, S/8, S/8)`."""

    def __init__(self, channels: tuple[int, ...] = (24, 48, 64)):
        layers: list[nn.Module] = []
        for before, after in zip((3, *channels), (*channels, channels[-1]), strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        super().__init__(*layers[:-1])


def build_cnn(backbone: str) -> nn.Module:
    """The network that `backbone` names, with fresh weights, as `(B, 3, S, S)` to `(B, D, h, w)`."""
    family, _, name = backbone.partition(":")
    if backbone == "tiny":
        return TinyCNN()
    if family == "timm" and name:
        return TimmGrid(name)
    if family == "torchvision" and name:
        from torchvision import models

        try:
            net = models.get_model(name, weights=None)
        except ValueError as error:
            raise InputError(f"torchvision has no model '{name}'; see torchvision.models.list_models().") from error
        return without_classifier(net)
    raise InputError(f"The backbone '{backbone}' is not one of 'timm:<name>', 'torchvision:<name>' or 'tiny'.")


def without_classifier(net: Any) -> nn.Module:
    """A torchvision network up to its pooling."""
    return net.features if hasattr(net, "features") else nn.Sequential(*list(net.children())[:-2])


def probe(cnn: nn.Module, backbone: str, image_size: int) -> tuple[int, int, int]:
    """The grid's height, width and channels, asked of the network itself."""
    parameter = next(cnn.parameters(), None)
    if parameter is None:
        raise InputError(f"The backbone '{backbone}' cannot be cut before its pooling; name another, such as a ResNet.")
    training = cnn.training
    with torch.no_grad():  # eval: a blank photo must not touch the running statistics
        try:
            shape = cnn.eval()(torch.zeros(1, 3, image_size, image_size, device=parameter.device)).shape
        except (RuntimeError, AssertionError, AttributeError, TypeError) as error:
            reason = str(error).split("\n")[0].rstrip(".")
            raise InputError(
                f"The backbone '{backbone}' cannot read {image_size}-pixel photos ({reason}); "
                "choose another backbone or image_size."
            ) from error
    cnn.train(training)
    if len(shape) != 4:
        raise InputError(f"The backbone '{backbone}' gives no spatial grid (its output has {len(shape)} dimensions).")
    return shape[2], shape[3], shape[1]


class Looks(nn.Module):
    """K looks at a grid `v (P, N, D)`; the question `q (B, H + K·H)` holds its vector h and what each look asks, c_k.

        r_k = (A_k c_k) ⊙ (1 + B_k z_<k)     b_k = C_k [c_k; z_<k]        z_<k = [z_1; …; z_k-1]
        j_kn = relu(r_k ⊙ (W_k v_n + O_k d_<k,n) + b_k)          a_k = softmax_n(w_k · j_kn)
        z_k = Σ_n a_kn v_n       m_k = 1/N Σ_n j_kn       d_kn = (p_n - p_k, |p_n - p_k|)       p_k = Σ_n a_kn p_n

    The question scales and shifts the grid's channels (FiLM, Perez et al. 2018), and from the second look on so does
    what was seen, as in stacked attention (Yang et al. 2016); each look has words of its own, as in MAC (Hudson &
    Manning 2018): one finds the red circle, the next what is nearest to it. For that it is told where each place p_n
    lies from the place p_k that every look before it looked at: what 'left of' and 'nearest' mean is the same wherever
    the circle is. A softmax cannot count; the mean m_k over all places can.
    """

    def __init__(self, config: VQAConfig, channels: int, height: int, width: int):
        super().__init__()
        self.height, self.width = height, width
        asked, size, looks = config.state_size, config.attention_size, range(config.looks)
        self.out_size = config.looks * (channels + size)
        self.asked = asked
        self.places = nn.ModuleList(nn.Linear(channels, size) for _ in looks)
        self.offset = nn.ModuleList(nn.Linear(3 * k, size, bias=False) for k in looks if k)
        self.scale = nn.ModuleList(nn.Linear(asked, size) for _ in looks)
        self.seen = nn.ModuleList(nn.Linear(k * channels, size) for k in looks if k)
        self.shift = nn.ModuleList(nn.Linear(asked + k * channels, size) for k in looks)
        self.score = nn.ModuleList(nn.Linear(size, 1, bias=False) for _ in looks)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, grid: Tensor, question: Tensor, photo_index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns what was seen `(B, K·(D + S))`, S the attention's size, and the attention `(B, K, N)`.

        photo_index `(B,)` names each question's row of `grid`; without it question i looks at row i.
        """
        if photo_index is None:
            photo_index = torch.arange(question.shape[0], device=question.device)
        v, asked = grid.index_select(0, photo_index), question.split(self.asked, -1)[1:]
        p = positions(self.height, self.width).to(v)
        z = v[:, 0, :0]
        means: list[Tensor] = []
        maps: list[Tensor] = []
        offsets: list[Tensor] = []
        for k, c in enumerate(asked):
            r = self.scale[k](c) if k == 0 else self.scale[k](c) * (1 + self.seen[k - 1](z))
            b = self.shift[k](torch.cat((c, z), -1))
            places = self.places[k](grid).index_select(0, photo_index)
            if k:
                places = places + self.offset[k - 1](torch.cat(offsets, -1))
            joint = (r.unsqueeze(1) * places + b.unsqueeze(1)).relu()  # (B, N, S)
            a = self.score[k](self.dropout(joint)).squeeze(-1).float().softmax(-1)
            maps.append(a)
            a = a.to(v.dtype)
            z = torch.cat((z, (a.unsqueeze(1) @ v).squeeze(1)), -1)
            d = p - (a @ p).unsqueeze(1)  # (B, N, 2)
            offsets += [d, (d.square().sum(-1, keepdim=True) + 1e-4).sqrt()]  # a root has no slope at 0
            means.append(joint.mean(1))
        return torch.cat((z, *means), -1), torch.stack(maps, 1)


def positions(height: int, width: int) -> Tensor:
    """Where each of the N places is, `(N, 2)`: (x, y) from the middle, two cells a unit."""
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), -1) / 2


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it natively, else float32. (An ordinary laptop's CPU does not.)"""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        # asks oneDNN, which also heeds ONEDNN_MAX_CPU_ISA
        return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
    return torch.float32


State = Tensor | tuple[Tensor, Tensor]
"""What carries on, as in torch: h `(L·dirs, B, H)`, for an LSTM (h, c)."""

Trace = dict[str, Tensor]
"""One layer and direction step by step: `(B, T, H)` under each name in its cell's equations, 0 at padding."""


FEW = 16  # sequences at once, up to which a single step is faster by the plain equations
ROWS = 8  # of a batch for each different length, from which on groups of one length are faster than packing
ALIKE = 32  # rows that a group has at least where it may hold several lengths: fewer calls outweigh some padding


class RecurrentOutput(NamedTuple):
    """states `(B, T, H·dirs)` of the last layer, 0 at padding; last `(B, H·dirs)`, its state when it has read
    the whole sequence (backwards, that is at the first token); final, the state to carry on from (None where
    sequences with lengths are compiled or exported, or learned from in groups of several lengths)."""

    states: Tensor
    last: Tensor
    final: State | None


class Recurrent(nn.Module):
    """A recurrent core: `cell` is `rnn`, `lstm` or `gru`, with 1 to 4 layers, in one direction or both.

    Sequences are padded on the right, and what stands in the padding never touches the result or a gradient.
    `forward` is the fast path, `readable` the same function written as its equations; they share the weights.
    dropout: between the layers, while training.
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
        dropout: float = 0.0,
        forget_bias: float = 1.0,
    ):
        super().__init__()
        if cell not in CELLS:
            raise InputError(f"There is no recurrent cell {cell!r}; choose one of {', '.join(CELLS)}.")
        if num_layers not in range(1, 5):
            raise InputError(f"A recurrent core has 1 to 4 layers, not {num_layers!r}; mend num_layers.")
        self.cell = cell
        kind: Callable[..., nn.RNNBase] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.core = kind(
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,  # torch warns where there is nothing between layers
        )
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
        dtype = self.core.all_weights[0][0].dtype
        x = x.to(dtype)
        if state is not None:
            state = _state([part.to(dtype) for part in _parts(state)])
        with _native_precision(x):
            if lengths is not None:
                if is_compiling() and not self.core.bidirectional:
                    return self._padded(x, lengths, state)
                return (self._grouped if self._many_alike(x, lengths) else self._packed)(x, lengths, state)
            if state is not None and self._small_step(x):
                return self._step(x, _parts(state))
            states, final = self.core(x, state)
            return RecurrentOutput(states, self._last(final), final)

    def _small_step(self, x: Tensor) -> bool:
        """Whether this is a decoder's step for a few sequences: on a CPU oneDNN's LSTM takes 2 to 6 times as long for
        it as the plain equations, since it lays the weights out anew at each call."""
        small = x.shape[1] == 1 and len(x) <= FEW and x.is_cpu and self.cell == "lstm"
        return small and not (self.core.bidirectional or torch.is_grad_enabled() or self.training or is_compiling())

    def _step(self, x: Tensor, state: tuple[Tensor, ...]) -> RecurrentOutput:
        """One step through the layers."""
        below, ends = x[:, 0], []
        for weights, *start in zip(self.core.all_weights, *state, strict=True):
            trace = CELLS[self.cell](below, tuple(start), *weights)
            below = trace["h"]
            ends.append([trace[name] for name in ("h", "c") if name in trace])
        final = _state([torch.stack(part) for part in zip(*ends, strict=True)])
        return RecurrentOutput(below.unsqueeze(1), below, final)

    def _many_alike(self, x: Tensor, lengths: Tensor) -> bool:
        """Whether to learn from those of like lengths at a time: on a CPU, where an LSTM's dense kernel (oneDNN) learns
        over twice as fast a step as the packed one, with rows enough to be worth a call."""
        learning = torch.is_grad_enabled() and x.is_cpu and self.cell == "lstm"
        return learning and len(x) >= (ROWS * len(lengths.unique()) if self.core.bidirectional else ALIKE)

    def _grouped(self, x: Tensor, lengths: Tensor, state: State | None) -> RecurrentOutput:
        """Those of like lengths at a time. One direction is causal, so padding on the right comes too late to change a
        state that counts, and a group may hold several lengths; both directions need groups of one length."""
        _check(lengths, x.shape[1])
        mixed = not self.core.bidirectional
        if mixed:
            valid = _valid(x, lengths)
            x = x.masked_fill(~valid, 0)
        order = lengths.argsort()
        _, counts = lengths[order].unique_consecutive(return_counts=True)
        groups = []
        for rows in order.split(_joined(counts.tolist(), ALIKE) if mixed else counts.tolist()):
            longest = int(lengths[rows[-1]])
            start = None if state is None else _state([part[:, rows] for part in _parts(state)])
            states, final = self.core(x[rows, :longest], start)
            groups.append((F.pad(states, (0, 0, 0, x.shape[1] - longest)), *_parts(final)))
        back = order.argsort()
        all_states, *parts = zip(*groups, strict=True)
        states = torch.cat(all_states)[back]
        if mixed:
            return RecurrentOutput(states.masked_fill(~valid, 0), _at(states, lengths - 1), None)
        final = _state([torch.cat(part, 1)[:, back] for part in parts])
        return RecurrentOutput(states, self._last(final), final)

    def _packed(self, x: Tensor, lengths: Tensor, state: State | None) -> RecurrentOutput:
        """Only the steps that count are computed, which is 40 % faster than padding on real questions (8 words of up
        to 20); the lengths are wanted on the CPU."""
        lengths = lengths.cpu()
        _check(lengths, x.shape[1])
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        packed, final = self.core(packed, state)
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return RecurrentOutput(states, self._last(final), final)

    def _padded(self, x: Tensor, lengths: Tensor, state: State | None) -> RecurrentOutput:
        """For `torch.export` and `torch.compile`, which cannot pack, and one direction: that is causal, so
        padding on the right comes too late to change a state that counts."""
        padding = ~_valid(x, lengths)
        states, _ = self.core(x.masked_fill(padding, 0), state)
        return RecurrentOutput(states.masked_fill(padding, 0), _at(states, lengths - 1), None)

    def readable(
        self, x: Tensor, lengths: Tensor | None = None, state: State | None = None
    ) -> tuple[RecurrentOutput, list[Trace]]:
        """Read the sequences word by word, cell by cell; arguments and output are those of `forward`.

        Beside the output, with its exact final state, stand the traces, that of layer l and direction d (1 is
        backwards) at l·dirs + d.
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
                below = torch.cat([trace["h"] for trace in traces[-directions:]], -1)
                x = F.dropout(below, self.core.dropout, self.training)
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
            # A padded step passes the state on, so that backwards too reading starts at the last word.
            state = tuple(torch.where(valid[:, t], new, old) for new, old in zip(after, state, strict=True))
        trace = {name: torch.stack([step[name] for step in steps], 1) for name in steps[0]}
        return {name: values.masked_fill(~valid, 0) for name, values in trace.items()}, state

    def _last(self, final: State) -> Tensor:
        """The last layer's state `(B, H·dirs)` in the final state."""
        h = _parts(final)[0]
        return torch.cat((h[-2], h[-1]), -1) if self.core.bidirectional else h[-1]


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


def _at(states: Tensor, step: Tensor) -> Tensor:
    """`(B, H)`: of states `(B, T, H)` the one at each sequence's `step (B,)`."""
    return states.gather(1, step.view(-1, 1, 1).expand(-1, 1, states.shape[-1])).squeeze(1)


def _joined(counts: Sequence[int], least: int) -> list[int]:
    """Neighbouring `counts` added up until each sum is at least `least`; what is left at the end joins the last."""
    sums = [0]
    for count in counts:
        sums[-1] += count
        if sums[-1] >= least:
            sums.append(0)
    rest = sums.pop()
    if rest and sums:
        sums[-1] += rest
    return sums or [rest]


def _check(lengths: Tensor, steps: int) -> None:
    if not ((lengths >= 1) & (lengths <= steps)).all():
        raise InputError(f"A sequence's length is not in 1 to {steps}, its steps; leave out empty sequences.")


def _native_precision(x: Tensor) -> AbstractContextManager:
    """Turns autocast off where the CPU only emulates bfloat16: there oneDNN's LSTM refuses it, and the other
    paths are over 20 times slower in it than in float32."""
    if x.is_cpu and torch.is_autocast_enabled("cpu") and fast_dtype(x.device) is torch.float32:
        return torch.autocast("cpu", enabled=False)
    return nullcontext()


class EncodedQuestion(NamedTuple):
    """vector `(B, H)`, with K looks `(B, H + K·H)`; word_weights `(B, T)`, summing to 1 over the words; states
    `(B, T, H)`."""

    vector: Tensor
    word_weights: Tensor
    states: Tensor


class QuestionEncoder(nn.Module):
    """Words to vectors, a recurrent core over them, and attention over the words.

        e_t = E[w_t]                      h_1 … h_T = LSTM(e_1 … e_T)
        a = softmax_t(u · tanh(W h_t))    q = h_T + V Σ_t a_t e_t

    The weights a are read from the states and gather the words themselves, as the phrase attention of Yu et
    al. 2018 (MAttNet, eq. 2) does; h_T beside them keeps the order of the words.

    With K looks each has weights and a vector of its own, and a word's state goes with it (Hudson & Manning 2018):

        a_k = softmax_t(u_k · tanh(W h_t))    c_k = Σ_t a_kt (h_t + V e_t)    q = [h_T; c_1; …; c_K]

    The words' weights are then the mean of the looks'.
    """

    def __init__(self, config: VQAConfig):
        super().__init__()
        size, words = config.state_size, config.embedding_size
        self.embedding = nn.Embedding(config.vocab_size, words, padding_idx=0)
        # small, so that what is learned soon outweighs chance, and of the same length whatever their size
        nn.init.normal_(self.embedding.weight[1:], std=math.sqrt(3 / words))
        self.dropout = nn.Dropout(config.word_dropout)
        self.recurrent = Recurrent(
            config.recurrent_cell, words, config.hidden_size, config.num_layers, config.bidirectional
        )
        self.key = nn.Linear(size, size // 4)
        self.score = nn.Linear(size // 4, config.looks, bias=False)
        self.gather = nn.Linear(words, size, bias=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> EncodedQuestion:
        """input_ids, attention_mask: `(B, T)`, padded on the right; every question has a word."""
        embedded = self.dropout(self.embedding(input_ids))
        states, last, _ = self.recurrent(embedded, attention_mask.sum(1))
        q, weights = self.join(embedded, states, last, attention_mask)
        return EncodedQuestion(q, weights, states)

    def join(self, embedded: Tensor, states: Tensor, last: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """q and the words' weights `(B, T)` from their vectors `(B, T, E)` and the states `(B, T, H)`."""
        scores = self.score(torch.tanh(self.key(states))).transpose(1, 2)  # (B, K, T)
        weights = scores.float().masked_fill(attention_mask.unsqueeze(1) == 0, float("-inf")).softmax(-1)
        asked = self.gather(weights.to(embedded.dtype) @ embedded)  # (B, K, H)
        if asked.shape[1] == 1:
            return last + asked[:, 0], weights[:, 0]
        asked = asked + weights.to(states.dtype) @ states
        return torch.cat((last, asked.flatten(1)), -1), weights.mean(1)


@dataclass
class VQAOutput(ModelOutput):
    """logits `(B, A)`; loss, a scalar, if labels were given; attention `(B, G, h, w)`, each map summing to 1;
    word_weights `(B, T)`; question `(B, H)`, its vector; states `(B, T, H)` of the recurrent core."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    attention: Tensor | None = None
    word_weights: Tensor | None = None
    question: Tensor | None = None
    states: Tensor | None = None


class VQAModel(PreTrainedModel):
    """CNN grid, recurrent question encoder, spatial attention, fusion, answer head.

    Two small heads stand beside the answer head and never reach its gradient: `blind_head` answers from the
    question alone, `image_only_head` from the photo alone. They say what a guess would be.
    """

    config_class = VQAConfig
    config: VQAConfig
    base_model_prefix = "glimpse"
    main_input_name = "pixel_values"
    input_modalities = ["image", "text"]  # noqa: RUF012 (as in the base class)

    def __init__(self, config: VQAConfig):
        super().__init__(config)
        self.image_encoder = ImageEncoder(config.backbone, config.image_size)
        places = coordinates(config.coordinates, *self.grid_size).shape[-1] if config.coordinates else 0
        channels = self.image_encoder.channels + places
        self.question_encoder = QuestionEncoder(config)
        many = config.looks > 1
        self.attention = Looks(config, channels, *self.grid_size) if many else SpatialAttention(config, channels)
        asked = config.question_size
        self.fusion = Fusion(config.fusion, self.attention.out_size, asked, config.fusion_size, config.dropout)
        answers = len(config.answers)
        self.answer_head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.fusion_size, answers))
        self.blind_head = mlp(asked, config.blind_size, answers, config.dropout)
        self.image_only_head = mlp(channels, config.image_only_size, answers, config.dropout)
        for head in (self.answer_head, self.blind_head, self.image_only_head):
            # before anything is learned, each of many answers is unlikely (Lin et al. 2017, section 3.3)
            nn.init.constant_(head[-1].get_parameter("bias"), -math.log(max(answers, 2)))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pixel_values: Tensor | None = None,
        grid: Tensor | None = None,
        photo_index: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> VQAOutput:
        """Score the answers.

        input_ids, attention_mask: `(B, T)`, padded on the right.
        pixel_values `(P, 3, S, S)` or grid `(P, N, D)` as `encode_image` gives it: exactly one of the two.
        photo_index: `(B,)`, the photo of each question; without it P = B and question i is about photo i.
        labels: `(B, A)` soft scores in [0, 1].
        """
        if grid is None:
            assert pixel_values is not None, "give pixel_values or grid"
            grid = self.encode_image(pixel_values)
        v = self.prepare(grid)
        q, word_weights, states = self.question_encoder(input_ids, attention_mask)
        logits, attention = self.score(v, q, photo_index)
        return VQAOutput(
            loss=None if labels is None else self.loss(logits, labels),
            logits=logits,
            attention=attention.unflatten(-1, self.grid_size),
            word_weights=word_weights,
            question=q,
            states=states,
        )

    def score(self, v: Tensor, q: Tensor, photo_index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Look, join, score: a prepared grid `v (P, N, D)` and question vectors `q (B, H)` to the answers' logits
        `(B, A)` and the attention `(B, G, N)`."""
        z, attention = self.attention(v, q, photo_index)
        return self.answer_head(self.fusion(z, q)).float(), attention

    def encode_image(self, pixel_values: Tensor) -> Tensor:
        """`(P, 3, S, S)` normalised pixels to the raw grid `(P, N, D)`, which is worth keeping."""
        return self.image_encoder(pixel_values)

    def prepare(self, grid: Tensor) -> Tensor:
        """The grid as the question sees it: each place's vector at the same length (Kazemi & Elqursh 2017), which is
        √D so that its numbers are about 1, if the configuration wants that, with the coordinates that it asks for."""
        grid = grid.to(self.fusion.project_a.weight.dtype)  # the CNN may run in another one
        if self.config.even_lengths:
            grid = F.normalize(grid, dim=-1) * math.sqrt(grid.shape[-1])
        if self.config.coordinates:
            place = coordinates(self.config.coordinates, *self.grid_size).to(grid)
            grid = torch.cat((grid, place.expand(grid.shape[0], -1, -1)), -1)
        return grid

    def blind_logits(self, question: Tensor) -> Tensor:
        """What would be answered without looking: question vectors `(B, H)` to logits `(B, A)`."""
        return self.blind_head(question).float()

    def image_only_logits(self, grid: Tensor) -> Tensor:
        """What would be answered without listening: raw grids `(P, N, D)` to logits `(P, A)`."""
        return self.image_only_head(self.prepare(grid).mean(1)).float()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the questions of the loss summed over the answers."""
        if self.config.loss == "sigmoid":
            return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(logits)
        shares = labels / labels.sum(-1, keepdim=True).clamp_min(1e-6)
        return F.cross_entropy(logits, shares)

    @property
    def grid_size(self) -> tuple[int, int]:
        """Height and width of the grid that attention is reported on."""
        return self.image_encoder.height, self.image_encoder.width

    def _init_weights(self, module: nn.Module) -> None:
        """Every module initialises itself as its paper says; transformers' default would overwrite that."""


def coordinates(kind: bool | str, height: int, width: int) -> Tensor:
    """Where each of the N places is, `(N, 2)`: (x, y) in [-1, 1]; of the kind `cells` `(N, h + w)`: 2, about as long as
    what was seen there, in the channels of its row and its column, else 0."""
    if kind == "cells":
        rows, columns = 2 * torch.eye(height), 2 * torch.eye(width)
        return torch.cat((columns.repeat(height, 1), rows.repeat_interleave(width, 0)), -1)
    sides = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in (height, width))
    y, x = torch.meshgrid(*sides, indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), -1)


def mlp(size: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    """One hidden layer: `(…, size)` to `(…, out)`."""
    return nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out))
