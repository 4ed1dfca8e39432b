"""What computes: PyTorch, or the ONNX runtime, which works without PyTorch. Each is an `Engine` of `VQA`."""

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from vqa.model.errors import InputError

RUNTIMES = {"torch": "torch"} | dict.fromkeys(("onnx", "onnx-int8", "onnx-w8"), "onnxruntime")  # the package of each
FEW = 16  # best answers that are found faster one after the other than by sorting all


class Logits(NamedTuple):
    """The results for B questions of T words, A answers, G glimpses over N places, as NumPy arrays in float32.

    logits, blind: `(B, A)`, of the whole model and of the head without the photo.
    attention: `(B, G, N)`, each map summing to 1. word_weights: `(B, T)`, each row summing to 1.
    image_only: `(B, A)`, of the head without the question; None unless requested.
    falls: `(B, G)`, see `VQAModel.falls`; None unless requested, and from files that an earlier version exported.
    """

    logits: Any
    blind: Any
    attention: Any
    word_weights: Any
    image_only: Any = None
    falls: Any = None


class Engine(Protocol):
    """A model on a device. Grids and encoded questions are the engine's own arrays: PyTorch's tensors, or NumPy's.

    runtime: its name. config: has `answers`, `attention` and the temperatures of `VQAConfig`. grid_size: height and
    width. device, dtype: device and precision of the image encoder. weights: the files with its weights.
    model: the `VQAModel`, for gradients and cells. to_device: a NumPy array as the engine's own.
    encode_squares: `(P, S, S, 3)` bytes to grids `(P, N, D)` in float32.
    logits: for grids `(P, N, D)`, questions `(B, T)` and the photo of each `(B,)`; image_only, falls: add these.
    fast: a context in which `logits` runs in the image encoder's precision. made_by: the provenance of the grids.

    `model` and `made_by` raise `InputError` in a runtime that has neither.
    """

    runtime: str
    config: Any
    grid_size: tuple[int, int]
    device: Any
    dtype: Any
    weights: tuple[Path, ...]

    @property
    def model(self) -> Any: ...
    def to_device(self, values: Any) -> Any: ...
    def encode_squares(self, squares: Any) -> Any: ...
    def logits(
        self,
        grid: Any,
        input_ids: Any,
        attention_mask: Any,
        photo_index: Any,
        image_only: bool = False,
        falls: bool = False,
    ) -> Logits: ...
    def fast(self) -> AbstractContextManager[None]: ...
    def made_by(self) -> dict[str, Any]: ...


def array(values: Any) -> np.ndarray:
    """An engine's array as NumPy's, in float32 if it is of floating point."""
    return values if isinstance(values, np.ndarray) else values.float().cpu().numpy()


def softmax(logits: np.ndarray) -> np.ndarray:
    """Logits `(…, A)` to probabilities. Raises `InputError` for undefined or infinite ones, as of damaged weights."""
    if not np.isfinite(logits).all():
        raise InputError("The model computes undefined or infinite scores; copy or download its folder again.")
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def best_of(scores: np.ndarray, top: int) -> np.ndarray:
    """The indices `(B, top)` of the best scores `(B, A)`, of equal ones the first. To sort them all takes longer."""
    if top > FEW:
        return np.argsort(-scores, kind="stable")[:, :top]
    left, rows, best = scores.copy(), np.arange(len(scores)), []
    for _ in range(min(top, scores.shape[-1])):
        best.append(left.argmax(-1))
        left[rows, best[-1]] = -np.inf
    return np.stack(best, -1)


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The Jensen-Shannon divergence of distributions `(…, A)` in bits, 0 to 1 (Lin 1991): `(…)`."""
    mean, tiny = (p + q) / 2, np.finfo(p.dtype).tiny  # 0 log 0 is 0
    nats = sum((x * np.log(np.maximum(x, tiny) / np.maximum(mean, tiny))).sum(-1) for x in (p, q))
    return (nats / (2 * math.log(2))).clip(0, 1)
