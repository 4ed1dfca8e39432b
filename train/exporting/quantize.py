"""8-bit ONNX files, calibrated: weights and activations of convolutions and matrices, with scales seen on photos."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console
from rich.progress import track

from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.model.errors import InputError
from vqa.runtimes.onnx import FOLDER, IMAGE_ENCODER, INT8, QUESTION, open_session, read_folder

QUESTIONS_A_PHOTO = 4


class Shown(NamedTuple):
    """A photo and questions about it."""

    photo: str
    questions: list[str]


class Inputs(CalibrationDataReader):
    """Inputs one by one, as the calibrator wants them; it asks again for each of its passes."""

    def __init__(self, batches: list[dict[str, np.ndarray]]):
        self.batches = batches
        self.rewind()

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)

    def rewind(self) -> None:
        self.left: Iterator[dict[str, np.ndarray]] = iter(self.batches)


def calibration(data: str, images: str | None, photos: int, seed: int) -> list[Shown]:
    """`photos` of the data's photos, drawn with a seed, each with a few of its questions.

    Raises `InputError` as reading does, or for fewer than one photo.
    """
    if photos < 1:
        raise InputError(f"--photos is {photos}; give at least 1.")
    about: dict[str, list[Example]] = {}
    for example in read_examples(data, images=images):
        about.setdefault(example.image, []).append(example)
    names = sorted(about)
    chosen = np.random.default_rng(seed).permutation(len(names))[:photos]
    return [Shown(names[i], [e.question for e in about[names[i]][:QUESTIONS_A_PHOTO]]) for i in chosen]


def quantize(output: Path, shown: list[Shown], console: Console | None = None) -> None:
    """Write the 8-bit image encoder and question part beside those of a folder that `export_onnx` wrote.

    Static quantisation (Jacob et al. 2018), a scale for each channel of a weight; the LSTM, softmaxes and products of
    activations in the question part stay in float32. Raises `InputError` for a photo or a question that cannot be read.
    """
    console, folder = console or Console(), output / FOLDER
    _, reader = read_folder(output)
    encoder = open_session(folder / f"{IMAGE_ENCODER}.onnx")
    pixels, asked = [], []
    for photo, questions in track(shown, "photos that calibrate", console=console, transient=True):
        squares = reader.image_processor.square(photo)[None]
        pixels.append({"pixel_values": reader.image_processor.normalize(squares)})
        (grid,) = encoder.run(None, pixels[-1])
        input_ids, mask = reader.encode(questions)
        index = np.zeros(len(questions), np.int64)
        asked.append({"grid": grid, "input_ids": input_ids, "attention_mask": mask, "photo_index": index})
    for name, batches in ((IMAGE_ENCODER, pixels), (QUESTION, asked)):
        file = folder / f"{name}{INT8}.onnx"
        # In a CNN every operation is quantised: a range that is cut (ReLU6) makes a better scale than one before it.
        write(folder / f"{name}.onnx", file, Inputs(batches), whole=name == IMAGE_ENCODER)
        console.print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, calibrated on {len(shown)} photos")


def write(source: Path, target: Path, batches: Inputs, whole: bool) -> None:
    """Quantise one file: the whole, or what holds its weights."""
    with tempfile.TemporaryDirectory() as place:
        plain = Path(place) / "plain.onnx"
        quant_pre_process(source, plain, skip_symbolic_shape=True)  # a batch norm goes into its convolution first
        proto = onnx.load(plain)
        with np.errstate(invalid="ignore"):  # a row of zeros, as that of padding, has the scale 0
            quantize_static(
                plain,
                target,
                batches,
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=None if whole else weighted(proto),
            )
    proto = onnx.load(target)
    properties = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    onnx.helper.set_model_props(proto, properties)
    onnx.save(proto, target)


def weighted(proto: onnx.ModelProto) -> list[str]:
    """The nodes that hold a matrix, a filter or a table of vectors."""
    constants = {tensor.name for tensor in proto.graph.initializer if len(tensor.dims) > 1}
    kinds = ("Conv", "Gemm", "MatMul", "Gather")
    return [n.name for n in proto.graph.node if n.op_type in kinds and constants & set(n.input)]
