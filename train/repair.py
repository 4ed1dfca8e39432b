"""Train the model that mends mistyped questions.

    python -m train.repair --output runs/repair      # the questions of ../shared/data/text

Every batch mistypes its questions anew, and leaves some right, so that the model learns to leave right ones alone. The
run is saved every --part batches, and goes on from there with --resume. How well it mends is measured by
tools.repair_scores.
"""

import argparse
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from train.complete import QUESTIONS, read_questions
from train.fitting.small import Learning, add_options, command
from vqa.checkpoint.auxiliary import save_bundle
from vqa.language.characters import END, PADDING, REPLACEMENT, START, Characters
from vqa.language.noise import mistype
from vqa.language.repair import KIND
from vqa.language.repair_model import RepairModel
from vqa.model.device import pick_device

CLIP = 1.0
SPREAD = 200  # batches that are sorted by length together
MOST = 48  # characters that are learned; rarer ones are unknown, and learned to be copied
RATES = (0.0, 0.0, 0.1, 0.2, 0.3, 0.45)  # slips a word, one drawn a question; the first two leave it right
UNMARKED, FOREIGN = 0.4, 0.04  # of the questions lose the question mark, have a word of unknown characters


def main(arguments: list[str] | None = None) -> int:
    return command(train, parser().parse_args(arguments))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m train.repair", description=__doc__.split("\n")[0])
    made.add_argument("--questions", type=Path, default=QUESTIONS, help="JSON lines with the field 'question'")
    made.add_argument("--output", type=Path, required=True, help="a folder")
    made.add_argument("--hidden", type=int, default=160, help="units a direction of the encoder")
    made.add_argument("--embedding", type=int, default=64)
    made.add_argument("--epochs", type=float, default=1.6)
    made.add_argument("--batch", type=int, default=128)
    add_options(made, part=200, rate=3e-3, average=0.995)
    return made


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train, write the checkpoint to `output`/best, and return what it reached."""
    torch.manual_seed(given.seed)
    device = pick_device(given.device)
    questions, held = ([q for q in part if q.strip(" ?")] for part in read_questions(given.questions))
    characters = Characters.build(questions, MOST)
    config: dict[str, Any] = {"hidden": given.hidden, "embedding": given.embedding}
    net = RepairModel(characters.size, **config).to(device)
    skipped = ("resume", "output", "device", "part")
    settings = {name: str(value) for name, value in vars(given).items() if name not in skipped}
    learning = Learning(net, given, device, settings, CLIP)
    batches = stream(characters, questions, given.batch, given.seed, learning.step)

    def losses(step: int) -> tuple[Tensor, float]:
        pieces = [piece.to(device) for piece in next(batches)]
        with learning.fast():
            loss = net.loss(*pieces)
        return loss, loss.item()

    steps = max(1, round(given.epochs * len(questions) / given.batch))
    seconds = learning.run(steps, losses, say=lambda shown: f"{shown:.4f} a character", warmup=100)
    loss_held = held_out_loss(net, characters, held, given)
    results: dict[str, Any] = {"held_out_loss": round(loss_held, 4), "questions": len(questions), "held_out": len(held)}
    results |= {"seconds": round(seconds), "settings": settings}
    config |= {"characters": characters.to_list()}
    save_bundle(given.output / "best", KIND, config, net, results=results, README=card(results))
    print(f"{loss_held:.4f} nats a character of held-out questions; the model is in {given.output / 'best'}")
    return results


def stream(
    characters: Characters, questions: list[str], batch: int, seed: int, step: int = 0
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches from number `step` on, without end: what was typed `(B, S)`, its lengths `(B,)`, what was meant `(B, T)`.

    A part of `SPREAD` batches is drawn, mistyped and sorted by length together, so that batches hardly need padding.
    """
    for part in range(step // SPREAD, sys.maxsize):
        generator = random.Random(f"{seed}-{part}")
        pairs = [pair(question, generator) for question in generator.choices(questions, k=SPREAD * batch)]
        pairs.sort(key=lambda both: (len(both[0]), len(both[1])))
        order = list(range(SPREAD))
        generator.shuffle(order)
        for place in order[step % SPREAD if part == step // SPREAD else 0 :]:
            yield tensors(characters, pairs[place * batch : (place + 1) * batch])


def pair(question: str, generator: random.Random) -> tuple[str, str]:
    """A question as it may be typed, and as it was meant."""
    if generator.random() < UNMARKED:
        question = question.rstrip(" ?")
    if generator.random() < FOREIGN:
        words = question.split(" ")
        words[generator.randrange(len(words))] = REPLACEMENT * generator.randint(1, 6)
        question = " ".join(words)
    return mistype(question, generator, generator.choice(RATES)) or question, question


def tensors(characters: Characters, pairs: list[tuple[str, str]]) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of typed and meant to numbers, padded on the right."""
    typed = [torch.tensor(characters.encode(text)) for text, _ in pairs]
    meant = [torch.tensor([START, *characters.encode(text), END]) for _, text in pairs]
    ids, written = (
        torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING) for rows in (typed, meant)
    )
    return ids, torch.tensor([len(text) for text, _ in pairs]), written


@torch.inference_mode()
def held_out_loss(net: RepairModel, characters: Characters, held: list[str], given: argparse.Namespace) -> float:
    """Mean cross-entropy a character on about 5,000 held-out questions, mistyped as in training."""
    batches = stream(characters, held, given.batch, given.seed)
    losses = [float(net.loss(*next(batches))) for _ in range(math.ceil(min(5000, len(held)) / given.batch))]
    return sum(losses) / len(losses)


def card(results: dict[str, Any]) -> str:
    """The model's README."""
    return (
        "# Glimpse's repairer\n\nA bidirectional LSTM reads a mistyped question by its characters, and an LSTM with "
        "attention over all of its states writes it anew. Trained by `python -m train.repair` with the settings in "
        f"`results.json` on {results['questions']:,} questions of VQA v1 (CC BY 4.0), lower-cased, without photos, "
        "that were mistyped by `vqa.language.noise`.\n\nHow well it mends is measured by "
        "`python -m tools.repair_scores`, whose figures are in `scores.json`. It knows what people usually ask about "
        "everyday photos in English, their habits included, and makes rare names into common words.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
