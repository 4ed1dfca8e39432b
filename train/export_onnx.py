"""Export a model to the ONNX runtime, which answers without PyTorch.

python -m train.export_onnx --output DIR [--model M] [--calibrate DATA --images DIR]
"""

import argparse
import contextlib
import importlib.util
import io
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from vqa.checkpoint.find import CONFIG, PROCESSOR, TOKENIZER, find_checkpoint
from vqa.checkpoint.load import load_checkpoint
from vqa.data.files import locked, whole_file, whole_folder
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.runtimes import Logits
from vqa.runtimes.onnx import FOLDER, IMAGE_ENCODER, QUESTION, WEIGHTS8, WHOLE, open_session
from vqa.script import run

TOLERANCE = 1e-4
OPSET = 20
EXAMPLE = 3, (3, 5, 2, 1)  # photos, and the words of each question
SHAPES = ((1, (1,)), (1, (4, 9)), (2, (7, 22, 1)), (5, (6,)), (4, (3, 1, 5, 5, 2, 8)))  # those that are compared
COPIED = (CONFIG, PROCESSOR, TOKENIZER, "priors.json", "results.json", "README.md")  # the checkpoint's other files
# The variable dimensions of each input and output: photos P, questions B, words T.
AXES = {"pixel_values": "P", "grid": "P", "input_ids": "BT", "attention_mask": "BT", "photo_index": "B"}
AXES |= {"logits": "B", "blind": "B", "image_only": "B", "attention": "B", "word_weights": "BT", "falls": "B"}


class Question(nn.Module):
    """Grids `(P, N, D)`, questions `(B, T)` and the photo of each `(B,)` to the six arrays of `Logits`."""

    def __init__(self, net: VQAModel):
        super().__init__()
        self.net = net

    def forward(self, grid: Tensor, input_ids: Tensor, attention_mask: Tensor, photo_index: Tensor) -> Logits:
        output = self.net(input_ids, attention_mask, grid=grid, photo_index=photo_index, falls=True)
        image_only = self.net.image_only_logits(grid)[photo_index]
        blind = self.net.blind_logits(output.question)
        return Logits(output.logits, blind, output.attention, output.word_weights, image_only, output.falls)


def export_onnx(model: str | Path | None, output: Path, console: Console | None = None) -> None:
    """Write a folder for `VQA.load(output, runtime="onnx")`: `onnx/` with the image encoder, the question part and both
    in one file, and the checkpoint's other files.

    Raises `InputError` for a model that cannot be read or exported, and for files that differ by more than 1e-4 from
    PyTorch.
    """
    console, source = console or Console(), find_checkpoint(model)
    net, _ = load_checkpoint(source)
    config = net.config
    if config.recurrent_cell == "rnn" or config.bidirectional:
        raise InputError("Only an LSTM or GRU in one direction can be exported; train the model with one of these.")
    image_encoder, question = net.image_encoder.eval(), Question(net).eval()

    def whole(pixel_values: Tensor, **asked: Tensor) -> Logits:
        return question(image_encoder(pixel_values), **asked)

    with locked(output), whole_folder(output / FOLDER, f"{WHOLE}.onnx") as folder:
        write(net, image_encoder, IMAGE_ENCODER, folder / f"{IMAGE_ENCODER}.onnx")
        write(net, question, QUESTION, folder / f"{QUESTION}.onnx")
        join(folder)
        for name, computed in ((IMAGE_ENCODER, image_encoder), (QUESTION, question), (WHOLE, whole)):
            file = folder / f"{name}.onnx"
            worst = difference(net, computed, name, file)
            console.print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, at most {worst:.1e} from PyTorch")
            if not worst <= TOLERANCE:
                raise InputError(f"{file.name} would be {worst:.1e} from PyTorch; update torch and onnxscript.")
        from train.exporting.weights import store_in_8_bits  # needs onnx, which `export` has looked for

        for name in (IMAGE_ENCODER, QUESTION):
            file = folder / f"{name}{WEIGHTS8}.onnx"
            store_in_8_bits(folder / f"{name}.onnx", file)
            console.print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, with weights in 8 bits")
        for name in COPIED:
            if output.resolve() != source.resolve() and (source / name).is_file():
                with whole_file(output / name) as new:
                    shutil.copyfile(source / name, new)


def inputs(net: VQAModel, name: str, photos: int, lengths: Sequence[int], seed: int = 0) -> dict[str, Tensor]:
    """Random inputs of the part `name`: so many photos, and a question of each length."""
    generator, config = torch.Generator().manual_seed(seed), net.config
    pixels = 2 * torch.rand(photos, 3, config.image_size, config.image_size, generator=generator) - 1
    if name == IMAGE_ENCODER:
        return {"pixel_values": pixels}
    with torch.inference_mode():
        photo = {"pixel_values": pixels} if name == WHOLE else {"grid": net.encode_image(pixels).clone()}
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    words = torch.randint(1, config.vocab_size, mask.shape, generator=generator)
    index = torch.randint(photos, (len(lengths),), generator=generator)
    return photo | {"input_ids": words * mask, "attention_mask": mask, "photo_index": index}


def write(net: VQAModel, module: nn.Module, name: str, file: Path) -> None:
    """Export one part. Raises `InputError` if its operations have no ONNX form."""
    import onnx

    example = inputs(net, name, *EXAMPLE)
    outputs = ("grid",) if name == IMAGE_ENCODER else Logits._fields
    dims = {letter: torch.export.Dim(letter) for letter in "PBT"}
    shapes = {key: {axis: dims[letter] for axis, letter in enumerate(AXES[key])} for key in example}
    for cell in (torch.ops.aten.lstm.input, torch.ops.aten.gru.input):
        # An earlier export of this process cached a cell that is unrolled to the example's length.
        cell._dispatch_cache.clear()
    try:
        proto = onnx_graph(module, example, outputs, shapes)
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().split("\n")[0].rstrip(".")
        raise InputError(f"The part {name} has no ONNX form ({reason}); choose another backbone or cell.") from error
    del proto.graph.value_info[:]  # some have the example's sizes
    for value in (*proto.graph.input, *proto.graph.output):
        for axis, letter in enumerate(AXES[value.name]):
            value.type.tensor_type.shape.dim[axis].dim_param = letter
    onnx.helper.set_model_props(proto, {"grid_size": "{}x{}".format(*net.grid_size)})
    onnx.save(proto, file)


def onnx_graph(module: nn.Module, example: dict[str, Tensor], outputs: Sequence[str], shapes: dict[str, Any]) -> Any:
    """The module as an ONNX model. example: inputs by name; shapes: those of their dimensions that vary, by axis."""
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, (), kwargs=example, dynamo=True, verbose=False, opset_version=OPSET,
            input_names=list(example), output_names=list(outputs), dynamic_shapes=shapes,
        )  # fmt: skip
    assert program is not None
    proto = program.model_proto
    for part in (*proto.graph.node, *(node for function in proto.functions for node in function.node)):
        del part.metadata_props[:]  # where in which file of this machine it was called
    return proto


def join(folder: Path) -> None:
    """Write both parts as one file: the grid of the first is the input of the second."""
    import onnx.compose

    first, second = (onnx.load(folder / f"{name}.onnx") for name in (IMAGE_ENCODER, QUESTION))
    first = onnx.compose.add_prefix(first, f"{IMAGE_ENCODER}.", rename_inputs=False, rename_outputs=False)
    onnx.save(onnx.compose.merge_models(first, second, [("grid", "grid")]), folder / f"{WHOLE}.onnx")


def difference(net: VQAModel, computed: Callable[..., Any], name: str, file: Path) -> float:
    """The largest difference of any output from PyTorch's, `computed`, over batches of several shapes."""
    session, worst = open_session(file), 0.0
    for seed, (photos, lengths) in enumerate(SHAPES):
        example = inputs(net, name, photos, lengths, seed)
        with torch.inference_mode():
            expected = computed(**example)
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = session.run(None, {key: value.numpy() for key, value in example.items()})
        worst = max(worst, *(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, found, strict=True)))
    return worst


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.export_onnx", description=__doc__.split("\n")[0])
    parser.add_argument("--output", required=True, type=Path, help="the folder to write; may be the model's own")
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    parser.add_argument("--calibrate", metavar="DATA", help="also write 8-bit files, calibrated on these questions")
    parser.add_argument("--images", metavar="DIR", help="the folder of their photos")
    parser.add_argument("--photos", type=int, default=256, metavar="N", help="photos for calibration (default: 256)")
    parser.add_argument("--seed", type=int, default=0, help="of their choice (default: 0)")
    return run(parser, export, arguments)


def export(given: argparse.Namespace) -> None:
    """Export, and quantise if there are questions to calibrate on."""
    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if not importlib.util.find_spec(name)]:
        raise InputError(f"Exporting needs {missing[0]}; run: pip install 'glimpse-vqa[onnx]'.")
    from train.exporting.quantize import calibration, quantize

    chosen = calibration(given.calibrate, given.images, given.photos, given.seed) if given.calibrate else None
    export_onnx(given.model, given.output)
    if chosen is not None:
        quantize(given.output, chosen)


if __name__ == "__main__":
    raise SystemExit(main())
