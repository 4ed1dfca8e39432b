"""Train the model that corrects mistyped questions.

    python -m train.repair --questions questions.jsonl.gz --output runs/repair

Every batch has new typos in its questions, and leaves some questions correct, so that the model learns to leave correct
ones unchanged. An interrupted run continues with --resume. tools.repair_scores evaluates the model.
"""

import argparse
import math
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from train.auxiliary.options import add_options, holding, settings, start
from train.complete import read_questions
from train.fitting.loop import Batch, Task
from vqa.checkpoint.auxiliary import save_bundle
from vqa.language.characters import END, PADDING, REPLACEMENT, START, Characters
from vqa.language.noise import mistype
from vqa.language.repair import KIND
from vqa.language.repair_model import RepairModel
from vqa.script import run

CLIP, WARMUP = 1.0, 0.02
SPREAD = 200  # batches that are sorted by length together
MOST = 48  # characters that are learned; rarer ones are unknown, and learned to be copied
RATES = (0.0, 0.0, 0.1, 0.2, 0.3, 0.45)  # typos a word, one drawn a question; the first two leave it correct
UNMARKED, FOREIGN = 0.4, 0.04  # of the questions lose the question mark, have a word of unknown characters


def main(arguments: Sequence[str] | None = None) -> int:
    return run(parser(), train, arguments)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.repair", description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=Path, required=True, help="JSON lines with the field 'question'")
    parser.add_argument("--hidden", type=int, default=160, help="units of each direction of the encoder")
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--epochs", type=float, default=1.6)
    parser.add_argument("--batch", type=int, default=128)
    return add_options(parser, rate=3e-3, average=0.995)


@holding
def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train, write the checkpoint to `output`/best, and return its results."""
    training = start(given, CLIP, WARMUP)
    questions, held = ([q for q in part if q.strip(" ?")] for part in read_questions(given.questions))
    characters = Characters.build(questions, MOST)
    config: dict[str, Any] = {"hidden": given.hidden, "embedding": given.embedding}
    net = RepairModel(characters.size, **config)
    task = RepairTask(net, characters, questions, held, given.batch, given.seed, given.epochs)
    training.train(task)
    net.cpu().eval()
    loss = round(task.held_out()["nats a character"], 4)
    results = {"held_out_loss": loss, "questions": len(questions), "held_out": len(held), "settings": settings(given)}
    config |= {"characters": characters.to_list()}
    save_bundle(given.output / "best", KIND, config, net, results=results, README=card(results))
    print(f"{loss:.4f} nats a character of held-out questions; the model is in {given.output / 'best'}")
    return results


class RepairTask(Task):
    """Mean cross-entropy of each character of the correct question."""

    name = "repairer"
    higher_is_better = False

    def __init__(
        self,
        net: RepairModel,
        characters: Characters,
        questions: list[str],
        held: list[str],
        batch: int,
        seed: int,
        epochs: float,
    ):
        super().__init__()
        self.net, self.characters, self.questions, self.held = net, characters, questions, held
        self.batch, self.seed, self.epochs = batch, seed, epochs
        self.steps = -(-len(questions) // batch)

    def batches(self, epoch: int) -> Iterator[Batch]:
        return islice(stream(self.characters, self.questions, self.batch, self.seed, epoch * self.steps), self.steps)

    def forward(self, **batch: Tensor) -> Tensor:
        return self.net.loss(**batch)

    @torch.inference_mode()
    def held_out(self) -> dict[str, float]:
        """On about 5,000 held-out questions, mistyped as in training."""
        device, count = next(self.net.parameters()).device, math.ceil(min(5000, len(self.held)) / self.batch)
        batches = islice(stream(self.characters, self.held, self.batch, self.seed), count)
        losses = [float(self(**{name: value.to(device) for name, value in batch.items()})) for batch in batches]
        return {"nats a character": sum(losses) / len(losses)}


def stream(characters: Characters, questions: list[str], batch: int, seed: int, step: int = 0) -> Iterator[Batch]:
    """Batches from number `step` on, without end (see `tensors`).

    A part of `SPREAD` batches is drawn, mistyped and sorted by length together, so that batches need little padding.
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
    """A question with typos, and the correct question."""
    if generator.random() < UNMARKED:
        question = question.rstrip(" ?")
    if generator.random() < FOREIGN:
        words = question.split(" ")
        words[generator.randrange(len(words))] = REPLACEMENT * generator.randint(1, 6)
        question = " ".join(words)
    return mistype(question, generator, generator.choice(RATES)) or question, question


def tensors(characters: Characters, pairs: list[tuple[str, str]]) -> Batch:
    """The inputs of `RepairModel.loss`, padded on the right."""
    ids, lengths = characters.encode_batch([typed for typed, _ in pairs])
    meant = [torch.tensor([START, *characters.encode(text), END]) for _, text in pairs]
    return {"ids": ids, "lengths": lengths, "written": pad_sequence(meant, batch_first=True, padding_value=PADDING)}


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
