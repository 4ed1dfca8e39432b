"""What a page without a server needs of a model: its ONNX files with 8-bit weights, and its settings as JSON."""

import json
import tempfile
from pathlib import Path
from typing import Any

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
from vqa.runtimes.onnx import FOLDER, QUESTION, OnnxEngine, read_config

Content = dict[str, bytes]


def page_files(model: str | None = None) -> tuple[Content, dict[str, Any]]:
    """The contents of the page's files by name, and its settings.

    A folder that `train.export_onnx` wrote is used as it is. Weights have 8 bits, and activations 32: in WebAssembly
    8-bit activations are not faster, and their saturation differs from processor to processor, so that a calibrated
    8-bit model gave other answers in Chromium than in Python. Without captions if the bundled captioner was trained
    with another image encoder. Raises `InputError` as `export_onnx` does.
    """
    source = find_checkpoint(model)
    with tempfile.TemporaryDirectory() as place:
        folder, exported = Path(place), source
        if not (source / FOLDER / f"{QUESTION}.onnx").is_file():
            exported = folder / "model"
            export_onnx(source, exported)
        checkpoint = read_checkpoint(exported)
        engine = OnnxEngine(checkpoint)
        files: Content = {"words": as_json(word_settings(checkpoint)), "answers": as_json(engine.config.answers)}
        settings = model_settings(checkpoint, "bundled" if model is None else Path(model).name)
        settings["grid"] = list(engine.grid_size)
        settings["caption"] = captioner(source, engine.grid_size, files, folder)
        settings["complete"] = completer(folder)
        small = folder / "8_bits"
        for path in (*engine.weights, *sorted(folder.glob("*.onnx"))):
            store_in_8_bits(path, small)
            files[path.stem], files[f"{path.stem}_weights"], settings["tensors"][path.stem] = pack(small)
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


def captioner(source: Path, grid: tuple[int, int], files: Content, folder: Path) -> dict[str, Any] | None:
    """Write the bundled captioner as ONNX files into `folder`, if it reads the grids of the model in `source`, add its
    words to `files`, and return its settings."""
    net, config = load_bundle(find_bundle("caption"), describe.KIND, describe.build)
    weights = source / WEIGHTS  # which tell whose grids the captioner reads
    if not weights.is_file():
        print(f"{weights} is missing, so that no captioner is known to fit: the page writes no captions.")
        return None
    if ours(VQA.load(source, "cpu", runtime="torch")).made_by() != config.get("encoder"):
        print("The captioner was trained with another image encoder: the page writes no captions.")
        return None
    write_captioner(net, grid[0] * grid[1], folder / "caption_photo.onnx", folder / "caption_step.onnx")
    files["caption_words"] = as_json(config["words"])
    return {"most": config["most"], "hidden": config["hidden"], "again": sorted(AGAIN & set(config["words"]))}


def completer(folder: Path) -> dict[str, Any] | None:
    """Write the bundled model that completes questions as an ONNX file into `folder`, if it is an LSTM over lines, and
    return its settings."""
    net, config = load_bundle(find_bundle("complete"), complete.KIND, complete.build)
    if config["cell"] != "lstm" or not config["lines"]:
        return None
    write_completer(net, folder / "complete_step.onnx")
    return {name: config[name] for name in ("characters", "layers", "hidden")}
