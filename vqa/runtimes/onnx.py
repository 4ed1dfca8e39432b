"""The ONNX runtime: answers on a CPU without PyTorch, from the files that `train.export_onnx` writes."""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from vqa.checkpoint.find import CONFIG, Checkpoint, unreadable
from vqa.model.errors import InputError, printable, reason
from vqa.model.settings import VQASettings
from vqa.runtimes import Logits

FOLDER = "onnx"
IMAGE_ENCODER, QUESTION, WHOLE = "image_encoder", "question", "model"
INT8, WEIGHTS8 = "_int8", "_w8"  # also activations in 8 bits; weights only
SUFFIXES = {"onnx": "", "onnx-int8": INT8, "onnx-w8": WEIGHTS8}
EXPORT = "python -m train.export_onnx"


class OnnxEngine:
    """See `Engine`. Its arrays are NumPy's; it has no gradients."""

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", dtype: str = "auto", runtime: str = "onnx"):
        if device not in ("auto", "cpu"):
            raise InputError(f"The ONNX runtime computes on the CPU here, not on '{device}'; leave the device out.")
        if dtype not in ("auto", "float32"):
            raise InputError(f"The ONNX runtime has no precision '{dtype}'; choose the runtime onnx or onnx-int8.")
        suffix = SUFFIXES[runtime]
        self.weights = tuple(checkpoint.folder / FOLDER / f"{name}{suffix}.onnx" for name in (IMAGE_ENCODER, QUESTION))
        self.runtime, self.device, self.dtype = runtime, "cpu", "int8" if suffix == INT8 else "float32"
        self.checkpoint, self.config = checkpoint, read_config(checkpoint)
        self.image_encoder, self.question = (open_session(path) for path in self.weights)
        self.outputs = {output.name for output in self.question.get_outputs()}
        try:
            height, width = self.question.get_modelmeta().custom_metadata_map["grid_size"].split("x")
            self.grid_size = int(height), int(width)
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.weights[1]} was not written by {EXPORT}; export the model again.") from error
        scored = self.question.get_outputs()[0].shape[-1]  # of the logits
        if scored != len(self.config.answers):
            raise InputError(
                f"{self.weights[1]} scores {scored:,} answers, but {checkpoint.folder / CONFIG} names "
                f"{len(self.config.answers):,}; export the model again."
            )

    @property
    def model(self) -> Any:
        raise InputError("The ONNX runtime only answers: gradients and cells need the runtime torch.")

    def to_device(self, values: Any) -> np.ndarray:
        return np.asarray(values)

    def encode_squares(self, squares: Any) -> np.ndarray:
        pixels = normalize(np.asarray(squares), self.checkpoint)
        return self.image_encoder.run(None, {"pixel_values": pixels})[0]

    def logits(
        self,
        grid: Any,
        input_ids: Any,
        attention_mask: Any,
        photo_index: Any,
        image_only: bool = False,
        falls: bool = False,
    ) -> Logits:
        names = ("grid", "input_ids", "attention_mask", "photo_index")
        inputs = dict(zip(names, map(np.asarray, (grid, input_ids, attention_mask, photo_index)), strict=True))
        left_out = {name for name, wanted in (("image_only", image_only), ("falls", falls)) if not wanted}
        wanted = [name for name in Logits._fields if name in self.outputs - left_out]
        results = Logits(**dict(zip(wanted, self.question.run(wanted, inputs), strict=True)))
        return results._replace(attention=results.attention.reshape(*results.attention.shape[:2], -1))

    def fast(self) -> AbstractContextManager[None]:
        return nullcontext()

    def made_by(self) -> dict[str, Any]:
        raise InputError("The ONNX runtime reads no feature store and describes no photo; use the runtime torch.")


def read_config(checkpoint: Checkpoint) -> VQASettings:
    """The model's settings. Raises `InputError` for one that is missing or broken."""
    try:
        settings = VQASettings.read(checkpoint.config)
        settings.id2label = {i: printable(answer) for i, answer in enumerate(settings.answers)}
        if not settings.id2label:
            raise ValueError("id2label has no answers")
        return settings
    except InputError:
        raise
    except Exception as error:  # a setting of a wrong type surfaces as almost anything
        raise unreadable(checkpoint.folder, error) from error


def normalize(squares: np.ndarray, checkpoint: Checkpoint) -> np.ndarray:
    """Bytes `(P, S, S, 3)` to float32 `(P, 3, S, S)`, as `VQAImageProcessor.normalize`."""
    mean, std = (np.float32(x) * np.float32(255) for x in (checkpoint.image_mean, checkpoint.image_std))
    return np.ascontiguousarray(((squares - mean) / std).transpose(0, 3, 1, 2))


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """An ONNX file, ready to run on as many threads as there are cores, or as OMP_NUM_THREADS says.

    Raises `InputError` if it is missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"There is no {path}; write it where PyTorch is installed, by {EXPORT}.")
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0  # 0: as many as there are cores
    options.log_severity_level = 3
    if path.stem.endswith(WEIGHTS8):  # the weights become float32 once, now
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises a dozen types of its own
        message = f"{path} is damaged or no ONNX file ({reason(error):.120}); export the model again."
        raise InputError(message) from error
