"""Calibrated 8-bit ONNX files: weights and activations of convolutions and matrices, with scales measured on photos."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console
from rich.progress import track

from vqa.checkpoint.find import read_checkpoint
from vqa.data.files import whole_file
from vqa.data.readers import read_examples
from vqa.model.errors import InputError
from vqa.model.photos import square
from vqa.model.text import pad, tokenize
from vqa.runtimes.onnx import FOLDER, IMAGE_ENCODER, INT8, QUESTION, normalize, open_session

QUESTIONS_A_PHOTO = 4


class Inputs(CalibrationDataReader):
    """Inputs one by one, as the calibrator reads them."""

    def __init__(self, batches: list[dict[str, np.ndarray]]):
        self.batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def calibration(data: str, images: str | None, photos: int, seed: int) -> dict[str, list[str]]:
    """`photos` of the data's photos, drawn by a seed, each with a few of its questions.

    Raises `InputError` as reading does, or for fewer than one photo.
    """
    if photos < 1:
        raise InputError(f"--photos is {photos}; give at least 1.")
    questions: dict[str, list[str]] = {}
    for example in read_examples(data, images=images):
        questions.setdefault(example.image, []).append(example.question)
    names = sorted(questions)
    chosen = np.random.default_rng(seed).permutation(len(names))[:photos]
    return {names[i]: questions[names[i]][:QUESTIONS_A_PHOTO] for i in chosen}


def quantize(output: Path, questions: Mapping[str, list[str]], console: Console | None = None) -> None:
    """Add the 8-bit image encoder and question part to a folder that `export_onnx` wrote.

    questions: some about each calibration photo. Static quantisation (Jacob et al. 2018), with a scale for each channel
    of a weight; the LSTM, softmaxes and products of activations in the question part stay in float32. Raises
    `InputError` for a photo or a question that cannot be read.
    """
    console, folder = console or Console(), output / FOLDER
    checkpoint = read_checkpoint(output)
    encoder = open_session(folder / f"{IMAGE_ENCODER}.onnx")
    pixels, asked = [], []
    for photo, texts in track(questions.items(), "calibrating", len(questions), console=console, transient=True):
        squares = square(photo, checkpoint.size)[None]
        pixels.append({"pixel_values": normalize(squares, checkpoint)})
        (grid,) = encoder.run(None, pixels[-1])
        input_ids, mask = pad(tokenize(checkpoint.tokenizer, texts))
        index = np.zeros(len(texts), np.int64)
        asked.append({"grid": grid, "input_ids": input_ids, "attention_mask": mask, "photo_index": index})
    for name, batches in ((IMAGE_ENCODER, pixels), (QUESTION, asked)):
        file = folder / f"{name}{INT8}.onnx"
        # In a CNN every operation is quantised: after ReLU6 the range is smaller, and the scale finer.
        write(folder / f"{name}.onnx", file, Inputs(batches), whole=name == IMAGE_ENCODER)
        console.print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, calibrated on {len(questions)} photos")


def write(source: Path, target: Path, batches: Inputs, whole: bool) -> None:
    """Quantise all operations of a file, or those with weights."""
    with tempfile.TemporaryDirectory() as place:
        plain, quantized = Path(place, "plain.onnx"), Path(place, "quantized.onnx")
        quant_pre_process(source, plain, skip_symbolic_shape=True)  # merges batch norms into convolutions
        with np.errstate(invalid="ignore"):  # a row of zeros, as of padding, has the scale 0
            quantize_static(
                plain,
                quantized,
                batches,
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=True,  # 7 bits: products of 8 overflow on processors with AVX2 alone
                nodes_to_quantize=None if whole else weighted(onnx.load(plain)),
            )
        proto = onnx.load(quantized)
    onnx.helper.set_model_props(proto, {entry.key: entry.value for entry in onnx.load(source).metadata_props})
    with whole_file(target) as new:
        onnx.save(proto, new)


def weighted(proto: onnx.ModelProto) -> list[str]:
    """The nodes with a matrix, a filter or embeddings."""
    constants = {tensor.name for tensor in proto.graph.initializer if len(tensor.dims) > 1}
    kinds = ("Conv", "Gemm", "MatMul", "Gather")
    return [n.name for n in proto.graph.node if n.op_type in kinds and constants & set(n.input)]
