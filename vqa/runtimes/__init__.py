"""What computes: PyTorch, or the ONNX runtime, which needs no PyTorch. Each is an `Engine` behind the door `VQA`."""

import importlib.util
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from vqa.model.errors import InputError

RUNTIMES = ("torch", "onnx", "onnx-int8")


class Logits(NamedTuple):
    """What an engine gives for B questions of T words, A answers, G glimpses over N places, as its own arrays.

    logits, blind, image_only: `(B, A)`, of the whole model, of the head without photo and of that without question.
    attention: `(B, G, N)`, each map summing to 1. word_weights: `(B, T)`, each row summing to 1.
    """

    logits: Any
    blind: Any
    image_only: Any
    attention: Any
    word_weights: Any


class Engine(Protocol):
    """A model and what it runs on. Arrays are the engine's own: tensors on its device, or NumPy's.

    runtime: its name. config: has `answers`, `image_size`, `attention` and the temperatures of `VQAConfig`.
    processor: has `encode`, `words` and `image_processor.square`, as `VQAProcessor`. grid_size: height and width.
    device, dtype: where and how precisely the image encoder computes. weights: the files that hold its numbers.
    """

    runtime: str
    config: Any
    processor: Any
    grid_size: tuple[int, int]
    device: Any
    dtype: Any
    weights: tuple[Path, ...]

    @property
    def model(self) -> Any:
        """The `VQAModel`, for gradients and cells. Raises `InputError` where there is none."""

    def encode_squares(self, squares: Any) -> Any:
        """`(P, S, S, 3)` bytes to grids `(P, N, D)` in float32."""

    def logits(self, grid: Any, input_ids: Any, attention_mask: Any, photo_index: Any) -> Logits:
        """Grids `(P, N, D)`, questions `(B, T)` as `processor.encode` gives them, and the photo of each `(B,)`."""

    def fast(self) -> AbstractContextManager[None]:
        """Inside it `logits` runs in the precision of the image encoder."""

    def made_by(self) -> dict[str, Any]:
        """What makes this model's grids. Raises `InputError` if that is not known."""


def open_engine(runtime: str, folder: Path, device: str, dtype: str) -> Engine:
    """The checkpoint in `folder`, ready to compute.

    runtime: 'torch', 'onnx', 'onnx-int8', or 'auto', which is PyTorch wherever that is installed.
    Raises `InputError` for an unknown or missing runtime, or a folder that it cannot read.
    """
    if runtime == "auto":
        runtime = "torch" if importlib.util.find_spec("torch") else "onnx"
    if runtime not in RUNTIMES:
        raise InputError(f"There is no runtime {runtime!r}; choose one of auto, {', '.join(RUNTIMES)}.")
    package = "torch" if runtime == "torch" else "onnxruntime"
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"The runtime '{runtime}' needs {package}, which is not installed; run: pip install {package}."
        )
    if runtime == "torch":
        from vqa.runtimes.pytorch import TorchEngine

        return TorchEngine(folder, device, dtype)
    from vqa.runtimes.onnx import OnnxEngine

    return OnnxEngine(folder, device, dtype, runtime)


def array(values: Any) -> np.ndarray:
    """An engine's array as NumPy's, in float32 if it is of floating point."""
    return values if isinstance(values, np.ndarray) else values.float().cpu().numpy()


def softmax(logits: np.ndarray) -> np.ndarray:
    """Logits `(…, A)` to probabilities."""
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)
