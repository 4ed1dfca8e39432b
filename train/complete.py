"""Train the character language model, by truncated back-propagation through time.

    python -m train.complete --questions questions.jsonl.gz --output runs/complete
    python -m train.complete --text input.txt --output runs/mine         # any text file
    python -m train.complete --table --epochs 0.7 --questions questions.jsonl.gz --output runs/table

The text is cut into parallel streams, and these into chunks. A chunk's last hidden state is the first of the next one,
gradients end at the chunk. An interrupted run continues with --resume.
"""

import argparse
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.auxiliary.options import add_options, holding, settings, start
from train.fitting.loop import Batch, Task
from train.fitting.state import has_state
from vqa.checkpoint.auxiliary import save_bundle
from vqa.data.files import write_json
from vqa.data.readers.text_files import json_rows, opened, reported
from vqa.language.character_model import CharacterModel, bits_per_character
from vqa.language.characters import END, Characters
from vqa.language.complete import KIND
from vqa.model.errors import InputError
from vqa.script import run

BLOCK = 1 << 20  # characters of a file at once
CLIP = 1.0
MOST_HELD = 1_000_000  # characters of a text that are held out to measure with
TABLE = (("rnn", 1), ("lstm", 1), ("lstm", 2), ("lstm", 3))


def main(arguments: Sequence[str] | None = None) -> int:
    return run(parser(), lambda given: (table if given.table else train)(given), arguments)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.complete", description=__doc__.split("\n")[0])
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--questions", type=Path, help="JSON lines with the field 'question'")
    data.add_argument("--text", type=Path, help="any UTF-8 text file")
    parser.add_argument("--cell", choices=("rnn", "lstm", "gru"), default="lstm")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--streams", type=int, default=128)
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--table", action="store_true", help="train several cells and layers alike, and compare them")
    return add_options(parser, rate=4e-3, average=0.995)


def table(given: argparse.Namespace) -> None:
    """Train each of `TABLE` with the same settings, and write their figures to `output`/table.json."""
    rows = []
    for cell, layers in TABLE:
        output = given.output / f"{cell}-{layers}"
        print(f"{cell.upper()}, {layers} layers: ", end="", flush=True)
        own = {"cell": cell, "layers": layers, "output": output, "resume": given.resume and has_state(output / "last")}
        results = train(argparse.Namespace(**vars(given) | own))
        rows.append({"cell": cell, "layers": layers, "bits_per_character": results["bits_per_character"]})
    names = ("hidden", "embedding", "epochs", "streams", "chunk", "rate", "seed")
    write_json(given.output / "table.json", {"settings": {n: str(getattr(given, n)) for n in names}, "rows": rows})


@holding
def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train, write the checkpoint to `output`/best, and return its results."""
    training = start(given, CLIP, warmup=0.0)
    lines = given.text is None
    characters, ids, held = questions(given.questions) if lines else text(given.text, given.output)
    config = {name: getattr(given, name) for name in ("cell", "layers", "hidden", "embedding")}
    net = CharacterModel(characters.size, **config)
    task = CharacterTask(net, side_by_side(ids, given.streams), side_by_side(held, 64), given.chunk, given.epochs)
    training.train(task)
    net.cpu().eval()
    bits = round(task.held_out()["bits a character"], 4)
    results = {"bits_per_character": bits, "characters": len(ids), "held_out": len(held), "settings": settings(given)}
    config |= {"lines": lines, "characters": characters.to_list()}
    save_bundle(given.output / "best", KIND, config, net, results=results, README=card(results, lines))
    print(
        f"{bits:.3f} bits per character on {len(held):,} held-out characters; the model is in {given.output / 'best'}"
    )
    return results


class CharacterTask(Task):
    """Truncated back-propagation through time (Williams & Peng 1990) over streams `(B, N)` in chunks.

    carried: the hidden state `(S, L, B, H)` after the last chunk, where S is 2 (h and c) for an LSTM and 1 otherwise; a
    buffer, so that a resumed run continues with it. An epoch starts from zero.
    """

    carried: Tensor
    name = "characters"
    higher_is_better = False

    def __init__(self, net: CharacterModel, streams: np.ndarray, held: np.ndarray, chunk: int, epochs: float):
        super().__init__()
        self.net, self.streams, self.held, self.epochs = net, streams, held, epochs
        self.chunk = min(chunk, streams.shape[1] - 1)
        self.steps = max(1, (streams.shape[1] - 1) // self.chunk)
        core, states = net.recurrent.core, 2 if net.recurrent.cell == "lstm" else 1
        self.register_buffer("carried", torch.zeros(states, core.num_layers, len(streams), core.hidden_size))

    def batches(self, epoch: int) -> Iterator[Batch]:
        for begin in range(0, self.steps * self.chunk, self.chunk):
            ids = torch.from_numpy(self.streams[:, begin : begin + self.chunk + 1].astype(np.int64))
            yield {"ids": ids, "first": torch.tensor(begin == 0)}

    def forward(self, ids: Tensor, first: Tensor) -> Tensor:
        state = self.carried * ~first
        loss, final = self.net.loss(ids, (state[0], state[1]) if len(state) == 2 else state[0])
        self.carried.copy_(torch.stack(final if isinstance(final, tuple) else (final,)).detach())
        return loss

    @torch.inference_mode()
    def held_out(self) -> dict[str, float]:
        device = next(self.net.parameters()).device
        ids = torch.from_numpy(self.held.astype(np.int64)).to(device)
        return {"bits a character": bits_per_character(self.net, ids)}


def questions(path: Path) -> tuple[Characters, np.ndarray, np.ndarray]:
    """The questions of `read_questions`, each part as one stream in which END follows each question."""
    parts = read_questions(path)
    characters = Characters.build(parts[0])
    ids, held = (
        np.array([END, *(number for line in part for number in (*characters.encode(line), END))], np.uint16)
        for part in parts
    )
    return characters, ids, held


def read_questions(path: Path) -> tuple[list[str], list[str]]:
    """Lower-cased questions to train on, and those about one photo in fifty, held out.

    A photo is identified by `image_id` or `image`; without either each question counts as one about another photo.
    """
    train_part: list[str] = []
    held: list[str] = []
    for row, where in json_rows(path):
        if not isinstance(row, dict) or not isinstance(row.get("question"), str):
            raise InputError(f"{where} has no text 'question'; correct or delete it.")
        question = " ".join(row["question"].lower().split())
        photo = str(row.get("image_id", row.get("image", question)))
        number = sum((place + 1) * ord(character) for place, character in enumerate(photo))  # the same in each process
        (held if number % 50 == 0 else train_part).append(question)
    if not train_part or not held:
        raise InputError(f"{path} has too few questions to train on and to measure with; give more.")
    return train_part, held


def blocks(path: Path) -> Iterator[str]:
    """A text file in pieces, so that it is never in memory as a whole."""
    try:
        with reported(path), TextIOWrapper(opened(path), "utf-8") as file:
            while block := file.read(BLOCK):
                yield block
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it with the encoding UTF-8.") from error


def text(path: Path, output: Path) -> tuple[Characters, np.ndarray, np.ndarray]:
    """A text file as numbers, in a memory-mapped file in `output`; its last fiftieth is held out, but a million
    characters at most.

    A text of less than 5,000 characters is too short for that: it is measured on itself.
    """
    characters = Characters.build(blocks(path))
    numbers = output / "text.bin"
    with numbers.open("wb") as file:
        for block in blocks(path):
            file.write(characters.encode_array(block).tobytes())  # unlike tofile, which hides the reason of an error
    if numbers.stat().st_size < 4:
        raise InputError(f"{path} has fewer than two characters; give a longer text.")
    ids = np.memmap(numbers, np.uint16, "r")
    end = len(ids) - min(len(ids) // 50, MOST_HELD)
    return (characters, ids[:end], ids[end:]) if len(ids) >= 5000 else (characters, ids, ids)


def side_by_side(ids: np.ndarray, streams: int) -> np.ndarray:
    """One stream as several of equal length `(B, N)`: at most `streams`, each of 100 characters or more."""
    count = max(1, min(streams, len(ids) // 100))
    length = len(ids) // count
    return ids[: count * length].reshape(count, length)


def card(results: dict, lines: bool) -> str:
    """The model's README."""
    data = "the questions of VQA v1 (CC BY 4.0), lower-cased, without photos" if lines else "a text file"
    given = results["settings"]
    return (
        f"# Glimpse's character model\n\nAn {given['cell'].upper()} of {given['layers']} layers over characters, "
        f"trained by truncated back-propagation through time on {results['characters']:,} characters: {data}.\n\n"
        f"{results['bits_per_character']:.3f} bits per character on {results['held_out']:,} held-out characters.\n\n"
        "Trained by `python -m train.complete` with the settings in `results.json`. It completes what people usually "
        "ask about everyday photos, their habits included.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
