"""Reading cells: the value of each gate, cell and hidden unit of a recurrent core at each step of a text.

Source: Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks", ICLR workshop 2016.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqa.model.errors import InputError
from vqa.model.recurrent import Recurrent, State
from vqa.predict import VQA


@dataclass(frozen=True)
class Reading:
    """A text and the values in a core as it reads it.

    tokens: T words or characters. traces: for each layer (and direction, see `Recurrent.readable`) `(T, H)` under each
    name of its cell's equations: i, f, g, o, c, h for an LSTM; r, z, n, h for a GRU; h for a plain core.
    """

    tokens: tuple[str, ...]
    traces: tuple[dict[str, np.ndarray], ...]

    def unit(self, layer: int, name: str, unit: int) -> np.ndarray:
        """One unit's values `(T,)`. Raises `InputError` for a layer, a name or a unit that does not exist."""
        if not 0 <= layer < len(self.traces):
            raise InputError(f"There is no layer {layer + 1}; choose one from 1 to {len(self.traces)}.")
        trace = self.traces[layer]
        if name not in trace:
            raise InputError(f"There is no {name!r} in this cell; choose one of {', '.join(trace)}.")
        size = trace[name].shape[1]
        if not 0 <= unit < size:
            raise InputError(f"There is no unit {unit}; choose one from 0 to {size - 1}.")
        return trace[name][:, unit]


@torch.inference_mode()
def read(core: Recurrent, embedded: Tensor, tokens: Sequence[str], state: State | None = None) -> Reading:
    """Read one text; embedded: its tokens' vectors `(T, E)`, in the core's precision or higher; state: before them.

    Raises `InputError` for a text without tokens.
    """
    if not len(tokens):
        raise InputError("The text is empty; give at least one word.")
    _, traces = core.readable(embedded[None], state=state)
    return Reading(tuple(tokens), tuple({name: x[0].cpu().numpy() for name, x in t.items()} for t in traces))


@torch.inference_mode()
def states(core: Recurrent, embedded: Tensor, lengths: Tensor, state: State | None = None) -> list[dict[str, Tensor]]:
    """Read many texts at once, `(B, T, E)`: by layer h (and c) `(N, H)` at all of their N steps, text after text."""
    _, traces = core.readable(embedded, lengths, state)
    inside = torch.arange(embedded.shape[1], device=embedded.device) < lengths.view(-1, 1)
    return [{name: trace[name][inside].cpu() for name in ("h", "c") if name in trace} for trace in traces]


@torch.inference_mode()
def read_question(vqa: VQA, question: str) -> Reading:
    """The values in the question encoder at each word. Raises `InputError` for a question that cannot be read."""
    input_ids, _ = vqa.encode([question])
    words, _ = vqa.words(question)
    encoder = vqa.model.question_encoder
    return read(encoder.recurrent, encoder.embedding(input_ids.to(vqa.device))[0], words)
