"""Train the character language model, by truncated back-propagation through time.

    python -m train.complete --output runs/complete                      # the questions of ../shared/data/text
    python -m train.complete --text input.txt --output runs/mine         # any text file
    python -m train.complete --table --epochs 0.7 --output runs/table    # cells and layers beside each other

The text is cut into parallel streams, these into chunks. A chunk's last state is carried to the next one, gradients are
not; every --part chunks the state starts from zero and the run is saved, and goes on from there with --resume.
"""

import argparse
import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.fitting.small import Learning, add_options, command
from vqa.checkpoint.auxiliary import save_bundle
from vqa.data.files import write_json
from vqa.data.readers.text_files import json_rows
from vqa.language.character_model import CharacterModel, bits_per_character, detached
from vqa.language.characters import END, Characters
from vqa.language.complete import KIND
from vqa.model.device import pick_device
from vqa.model.errors import InputError
from vqa.model.recurrent import State

QUESTIONS = Path("../shared/data/text/vqa_v1_questions_answers.jsonl.gz")
BLOCK = 1 << 20  # characters of a file at once
CLIP = 1.0
MOST_HELD = 1_000_000  # characters of a text that are held out to measure with
TABLE = (("rnn", 1), ("lstm", 1), ("lstm", 2), ("lstm", 3))


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    return command(table if given.table else train, given)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m train.complete", description=__doc__.split("\n")[0])
    made.add_argument("--questions", type=Path, default=QUESTIONS, help="JSON lines with the field 'question'")
    made.add_argument("--text", type=Path, help="any UTF-8 text file instead")
    made.add_argument("--output", type=Path, required=True, help="a folder")
    made.add_argument("--cell", choices=("rnn", "lstm", "gru"), default="lstm")
    made.add_argument("--layers", type=int, default=2)
    made.add_argument("--hidden", type=int, default=256)
    made.add_argument("--embedding", type=int, default=64)
    made.add_argument("--epochs", type=float, default=2.0)
    made.add_argument("--streams", type=int, default=128)
    made.add_argument("--chunk", type=int, default=100)
    add_options(made, part=100, rate=4e-3, average=0.995)
    made.add_argument("--table", action="store_true", help="train several cells and layers alike, and compare them")
    return made


def table(given: argparse.Namespace) -> None:
    """Train each of `TABLE` with the same settings, and write what they reach to `output`/table.json."""
    rows = []
    for cell, layers in TABLE:
        name = f"{cell}-{layers}"
        print(f"{cell.upper()}, {layers} layers: ", end="", flush=True)
        results = train(
            argparse.Namespace(**{**vars(given), "cell": cell, "layers": layers, "output": given.output / name})
        )
        rows.append({"cell": cell, "layers": layers, "bits_per_character": results["bits_per_character"]})
    kept = {
        name: str(getattr(given, name))
        for name in ("hidden", "embedding", "epochs", "streams", "chunk", "rate", "seed")
    }
    write_json(given.output / "table.json", {"settings": kept, "rows": rows})


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train, write the checkpoint to `output`/best, and return what it reached."""
    torch.manual_seed(given.seed)
    device = pick_device(given.device)
    lines = given.text is None
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        characters, ids, held = questions(given.questions) if lines else text(given.text, given.output)
    except OSError as error:
        raise InputError(f"{given.output} cannot be written: {error.strerror}; choose another folder.") from error
    streams = side_by_side(ids, given.streams)
    net = CharacterModel(characters.size, given.cell, given.layers, given.hidden, given.embedding).to(device)
    chunk = min(given.chunk, streams.shape[1] - 1)
    chunks = max(1, (streams.shape[1] - 1) // chunk)
    skipped = ("resume", "output", "device", "table")
    settings = {name: str(value) for name, value in vars(given).items() if name not in skipped}
    learning = Learning(net, given, device, settings, CLIP)
    state: State | None = None

    def losses(step: int) -> tuple[Tensor, float]:
        nonlocal state
        start = step % chunks * chunk
        if step % given.part == 0 or start == 0:
            state = None
        piece = torch.from_numpy(streams[:, start : start + chunk + 1].astype(np.int64)).to(device)
        with learning.fast():
            loss, final = net.loss(piece, state)
        state = detached(final)
        return loss, loss.item() / math.log(2)

    steps = max(1, round(given.epochs * chunks))
    learning.run(steps, losses, say=lambda shown: f"{shown:.3f} bits", keep=0.0, log=False)
    bits = round(bits_per_character(net, torch.from_numpy(side_by_side(held, 64).astype(np.int64))), 4)
    results = {"bits_per_character": bits, "characters": len(ids), "held_out": len(held), "settings": settings}
    config = {name: getattr(given, name) for name in ("cell", "layers", "hidden", "embedding")}
    config |= {"lines": lines, "characters": characters.to_list()}
    save_bundle(given.output / "best", KIND, config, net, results=results, README=card(results, lines))
    print(f"{bits:.3f} bits per character on {len(held):,} that were held out; the model is in {given.output / 'best'}")
    return results


def questions(path: Path) -> tuple[Characters, np.ndarray, np.ndarray]:
    """The questions of `read_questions`, each part as one stream in which END ends each."""
    train_part, held = read_questions(path)
    characters = Characters.build(train_part)
    return characters, joined(characters, train_part), joined(characters, held)


def read_questions(path: Path) -> tuple[list[str], list[str]]:
    """Lower-cased questions to learn from, and those about one photo in fifty, held out.

    A photo is known by `image_id` or `image`; without either each question counts as one about another photo.
    """
    train_part: list[str] = []
    held: list[str] = []
    for row, where in json_rows(path):
        if not isinstance(row, dict) or not isinstance(row.get("question"), str):
            raise InputError(f"{where} has no text 'question': mend or delete it.")
        question = " ".join(row["question"].lower().split())
        photo = row.get("image_id", row.get("image", question))
        (held if hash_of(photo) % 50 == 0 else train_part).append(question)
    if not train_part or not held:
        raise InputError(f"{path} holds too few questions to learn from and to measure with; give more.")
    return train_part, held


def hash_of(identity: object) -> int:
    """The same number in every process."""
    return sum((place + 1) * ord(character) for place, character in enumerate(str(identity)))


def joined(characters: Characters, texts: list[str]) -> np.ndarray:
    pieces: list[np.ndarray] = [np.array([END], np.uint16)]
    for line in texts:
        pieces += [characters.encode_array(line), np.array([END], np.uint16)]
    return np.concatenate(pieces)


def blocks(path: Path) -> Iterator[str]:
    """A text file piece by piece, so that it never is in memory whole."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            while block := file.read(BLOCK):
                yield block
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it with the encoding UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; check its name and place.") from error


def text(path: Path, output: Path) -> tuple[Characters, np.ndarray, np.ndarray]:
    """A text file as numbers, in a file of its own that is mapped, not read; its last fiftieth is held out, but
    a million characters at most.

    A text of less than a few thousand characters is too short for that: it is then measured on itself.
    """
    characters = Characters.build(blocks(path))
    numbers = output / "text.bin"
    with numbers.open("wb") as file:
        for block in blocks(path):
            characters.encode_array(block).tofile(file)
    if numbers.stat().st_size < 4:
        raise InputError(f"{path} has fewer than two characters; give a text with some to learn from.")
    ids = np.memmap(numbers, np.uint16, "r")
    end = len(ids) - min(len(ids) // 50, MOST_HELD)
    return (characters, ids[:end], ids[end:]) if len(ids) >= 5000 else (characters, ids, ids)


def side_by_side(ids: np.ndarray, streams: int) -> np.ndarray:
    """One stream as several of equal length `(B, N)`, as many as leave each two characters at least."""
    count = max(1, min(streams, len(ids) // 100))
    length = len(ids) // count
    return ids[: count * length].reshape(count, length)


def card(results: dict, lines: bool) -> str:
    """The model's README."""
    data = "the questions of VQA v1 (CC BY 4.0), lower-cased, without photos" if lines else "a text file"
    settings = results["settings"]
    return (
        f"# Glimpse's character model\n\nAn {settings['cell'].upper()} of {settings['layers']} layers over characters, "
        f"trained by truncated back-propagation through time on {data}: {results['characters']:,} characters.\n\n"
        f"{results['bits_per_character']:.3f} bits per character on {results['held_out']:,} that were held out.\n\n"
        "Made by `python -m train.complete` with the settings in `results.json`. It completes what people usually ask "
        "about everyday photos, their habits included.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
