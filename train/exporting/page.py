"""What a page without a server needs of a model: its ONNX files with 8-bit weights, and its settings as JSON."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from train.export_onnx import export_onnx
from train.exporting.weights import pack, store_in_8_bits
from train.exporting.writers import write_captioner, write_completer
from vqa.captioning import describe
from vqa.captioning.words import AGAIN
from vqa.checkpoint.auxiliary import find_bundle, load_bundle
from vqa.checkpoint.find import WEIGHTS, Checkpoint, find_checkpoint, read_checkpoint
from vqa.data.spellings import MARK, readings
from vqa.language import complete
from vqa.model.text import COMMON, SCRIPTS, UNCALIBRATED
from vqa.predict import VQA, ours
from vqa.runtimes.onnx import FOLDER, IMAGE_ENCODER, QUESTION, WEIGHTS8, open_session, read_config

Content = dict[str, bytes]


def page_files(model: str | None = None, console: Console | None = None) -> tuple[Content, dict[str, Any]]:
    """The contents of the page's files by name, and its settings.

    A folder that `train.export_onnx` wrote is used as it is. Weights have 8 bits, and activations 32: in WebAssembly
    8-bit activations are not faster, and their saturation differs from processor to processor, so that a calibrated
    8-bit model gave other answers in Chromium than in Python. Without captions if the bundled captioner was trained
    with another image encoder. Raises `InputError` as `export_onnx` does.
    """
    console, source = console or Console(), find_checkpoint(model)
    files: Content = {}
    with tempfile.TemporaryDirectory() as place:
        folder, exported = Path(place), source
        if not (source / FOLDER / f"{QUESTION}.onnx").is_file():
            exported = folder / "model"
            export_onnx(model, exported, console)
        checkpoint = read_checkpoint(exported)
        settings = model_settings(checkpoint, "bundled" if model is None else Path(model).name)
        tensors = settings["tensors"]
        for name in (IMAGE_ENCODER, QUESTION):
            add(files, tensors, name, exported / FOLDER / f"{name}.onnx", folder)
        session = open_session(exported / FOLDER / f"{QUESTION}.onnx")
        settings["grid"] = [int(n) for n in session.get_modelmeta().custom_metadata_map["grid_size"].split("x")]
        files["words"] = as_json(word_settings(checkpoint))
        files["answers"] = as_json(read_config(checkpoint).answers)
        settings["caption"] = captioner(model, files, tensors, folder, settings["grid"], console)
        settings["complete"] = completer(files, tensors, folder)
    return files, settings


def as_json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def model_settings(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """The settings that turn photos into numbers, and numbers into answers."""
    config = read_config(checkpoint)
    numbers = {key: getattr(config, key) for key in ("sure", *UNCALIBRATED)}
    photos = {"size": checkpoint.size, "mean": checkpoint.image_mean, "std": checkpoint.image_std}
    return {"name": name, **photos, **numbers, "tensors": {}}


def word_settings(checkpoint: Checkpoint) -> dict[str, Any]:
    """The tokenizer without its regular expressions: the words by number, and what others are read as."""
    tokenizer = checkpoint.tokenizer
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    written = {word: tokenizer.normalizer.normalize_str(word).removeprefix(MARK) for word in readings(vocabulary)}
    changed = {word: target for word, target in written.items() if target != word}
    return {"vocabulary": vocabulary, "readings": changed, "scripts": SCRIPTS, "common": COMMON}


def add(files: Content, tensors: dict[str, Any], name: str, source: Path, folder: Path) -> None:
    """Add an ONNX file with its weights in 8 bits. folder: for a temporary file."""
    small = folder / f"{name}{WEIGHTS8}.onnx"
    store_in_8_bits(source, small)
    packed = pack(small)
    files[name], files[f"{name}_weights"], tensors[name] = packed.graph, packed.weights, packed.tensors


def captioner(
    model: str | None, files: Content, tensors: dict[str, Any], folder: Path, grid: list[int], console: Console
) -> dict[str, Any] | None:
    """Add the bundled captioner, if it reads this model's grids, and return its settings."""
    net, config = bundled("caption", describe.KIND, describe.build)
    weights = find_checkpoint(model) / WEIGHTS  # which tell whose grids the captioner reads
    if not weights.is_file():
        console.print(f"{weights} is missing, so that no captioner is known to fit: the page writes no captions.")
        return None
    if ours(VQA.load(model, "cpu", runtime="torch")).made_by() != config.get("encoder"):
        console.print("The captioner was trained with another image encoder: the page writes no captions.")
        return None
    photo, step = folder / "caption_photo.onnx", folder / "caption_step.onnx"
    write_captioner(net, grid[0] * grid[1], photo, step)
    for file in (photo, step):
        add(files, tensors, file.stem, file, folder)
    files["caption_words"] = as_json(config["words"])
    return {"most": config["most"], "hidden": config["hidden"], "again": sorted(AGAIN & set(config["words"]))}


def completer(files: Content, tensors: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """Add the bundled model that completes questions, if it is an LSTM over lines, and return its settings."""
    net, config = bundled("complete", complete.KIND, complete.build)
    if config["cell"] != "lstm" or not config["lines"]:
        return None
    write_completer(net, folder / "complete_step.onnx")
    add(files, tensors, "complete_step", folder / "complete_step.onnx", folder)
    return {name: config[name] for name in ("characters", "layers", "hidden")}


def bundled(name: str, kind: str, build: Callable[[dict[str, Any]], nn.Module]) -> tuple[Any, dict[str, Any]]:
    return load_bundle(find_bundle(name), kind, build)
