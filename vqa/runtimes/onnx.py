"""The ONNX runtime: answers on a CPU without PyTorch, from the files that `train.export_onnx` writes."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from vqa.checkpoint.find import CONFIG, PROCESSOR, TOKENIZER, read_objects
from vqa.model import reading
from vqa.model.errors import InputError
from vqa.runtimes import Logits

FOLDER = "onnx"
IMAGE_ENCODER, QUESTION, WHOLE = "image_encoder", "question", "model"
INT8 = "_int8"
EXPORT = "python -m train.export_onnx"


@dataclass(frozen=True)
class OnnxConfig:
    """What answering needs of `config.json`; see `VQAConfig`."""

    answers: list[str]
    image_size: int
    attention: str
    temperature: float
    yes_no_temperature: float | None
    blind_temperature: float


@dataclass(frozen=True)
class PhotoReader:
    """The numbers of `VQAImageProcessor`, in NumPy."""

    size: int
    image_mean: Any
    image_std: Any

    def square(self, photo: Any) -> np.ndarray:
        """Any photo that `open_photo` takes, as `(S, S, 3)` bytes."""
        return reading.square(photo, self.size)

    def normalize(self, squares: np.ndarray) -> np.ndarray:
        """Bytes `(P, S, S, 3)` to float32 `(P, 3, S, S)`."""
        mean, std = (np.float32(x) * np.float32(255) for x in (self.image_mean, self.image_std))
        return np.ascontiguousarray(((squares - mean) / std).transpose(0, 3, 1, 2))


@dataclass(frozen=True)
class Reader:
    """What `VQAProcessor` does, without transformers."""

    image_processor: PhotoReader
    tokenizer: Tokenizer

    def encode(self, questions: Any) -> tuple[np.ndarray, np.ndarray]:
        """See `vqa.model.reading.encode`."""
        return reading.encode(self.tokenizer, questions)

    def words(self, question: str) -> tuple[list[str], list[str]]:
        """See `vqa.model.reading.words`."""
        return reading.words(self.tokenizer, question)


class OnnxEngine:
    """See `Engine`. Its arrays are NumPy's; it has no gradients."""

    def __init__(self, folder: Path, device: str = "auto", dtype: str = "auto", runtime: str = "onnx"):
        if device not in ("auto", "cpu"):
            raise InputError(f"The ONNX runtime computes on the CPU here, not on '{device}'; leave the device out.")
        if dtype not in ("auto", "float32"):
            raise InputError(f"The ONNX runtime has no precision '{dtype}'; choose the runtime onnx or onnx-int8.")
        suffix = INT8 if runtime == "onnx-int8" else ""
        self.weights = tuple(folder / FOLDER / f"{name}{suffix}.onnx" for name in (IMAGE_ENCODER, QUESTION))
        self.runtime, self.device, self.dtype = runtime, "cpu", "int8" if suffix else "float32"
        self.config, self.processor = read_folder(folder)
        self.image_encoder, self.question = (open_session(path) for path in self.weights)
        try:
            height, width = self.question.get_modelmeta().custom_metadata_map["grid_size"].split("x")
            self.grid_size = int(height), int(width)
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.weights[1]} was not written by {EXPORT}; export the model again.") from error

    @property
    def model(self) -> Any:
        raise InputError("The ONNX runtime only answers: gradients and cells need the runtime torch.")

    def encode_squares(self, squares: Any) -> np.ndarray:
        pixels = self.processor.image_processor.normalize(np.asarray(squares))
        return self.image_encoder.run(None, {"pixel_values": pixels})[0]

    def logits(self, grid: Any, input_ids: np.ndarray, attention_mask: np.ndarray, photo_index: Any) -> Logits:
        asked = {"input_ids": input_ids, "attention_mask": attention_mask, "photo_index": np.asarray(photo_index)}
        found = Logits(*self.question.run(list(Logits._fields), {"grid": np.asarray(grid), **asked}))
        return found._replace(attention=found.attention.reshape(*found.attention.shape[:2], -1))

    def fast(self) -> AbstractContextManager[None]:
        return nullcontext()

    def made_by(self) -> dict[str, Any]:
        raise InputError("The ONNX runtime reads no feature store and describes no photo; use the runtime torch.")


def read_folder(folder: Path) -> tuple[OnnxConfig, Reader]:
    """Configuration and reader of a checkpoint. Raises `InputError` for files that are missing or broken."""
    objects = read_objects(folder, (CONFIG, PROCESSOR, TOKENIZER))
    config, photos = objects[CONFIG], objects[PROCESSOR].get("image_processor", {})
    try:
        names, own = config["id2label"], config.get("yes_no_temperature")
        return OnnxConfig(
            answers=[names[str(i)] for i in range(len(names))],
            image_size=int(photos["size"]),
            attention=config["attention"],
            temperature=float(config["temperature"]),
            yes_no_temperature=None if own is None else float(own),
            blind_temperature=float(config["blind_temperature"]),
        ), Reader(
            PhotoReader(int(photos["size"]), photos["image_mean"], photos["image_std"]),
            Tokenizer.from_file(str(folder / TOKENIZER)),
        )
    except Exception as error:  # tokenizers raises plain Exception, a setting of a wrong type almost anything
        reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(f"The checkpoint {folder} cannot be read ({reason}); copy the whole folder again.") from error


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
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises a dozen types of its own
        reason = str(error).split("\n")[0].rstrip(".")
        raise InputError(f"{path} is damaged or no ONNX file ({reason[:120]}); export the model again.") from error
