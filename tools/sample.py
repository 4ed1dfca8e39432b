"""Draw a random part of a data set: some photos, and some of their questions.

    python -m tools.sample questions.jsonl --photos 200 --questions 1000 --seed 0 --output part.jsonl

The same data and seed give the same part, in the order of the data.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from vqa.data.examples import Example, write_jsonl
from vqa.data.readers import read_examples
from vqa.model.errors import InputError
from vqa.script import run


def sample(examples: Sequence[Example], photos: int, questions: int, seed: int) -> list[Example]:
    """`questions` questions about exactly `photos` photos: one for each photo, the others at random.

    Raises `InputError` for fewer questions than photos, or more of either than there are.
    """
    if not 1 <= photos <= questions:
        raise InputError(
            f"{photos} photos cannot have {questions} questions; give at least 1 photo and a question each."
        )
    names = list(dict.fromkeys(example.image for example in examples))
    if photos > len(names):
        raise InputError(f"There are {len(names)} photos, not {photos}; give a smaller number.")
    rng = random.Random(seed)
    chosen = set(rng.sample(names, photos))
    about = [i for i, example in enumerate(examples) if example.image in chosen]
    if questions > len(about):
        raise InputError(f"The {photos} drawn photos have {len(about)} questions; give a smaller number.")
    rng.shuffle(about)
    first = {examples[i].image: i for i in reversed(about)}
    others = [i for i in about if first[examples[i].image] != i]
    drawn = [*first.values(), *others[: questions - photos]]
    return [examples[i] for i in sorted(drawn)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.sample", description=__doc__.split("\n")[0])
    parser.add_argument("data", help="questions in any format that 'vqa train' reads")
    parser.add_argument("--photos", type=int, required=True, metavar="N", help="number of photos")
    parser.add_argument("--questions", type=int, required=True, metavar="N", help="number of questions about them")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws another part (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the drawn questions, JSONL")

    def write(given: argparse.Namespace) -> None:
        drawn = sample(read_examples(given.data), given.photos, given.questions, given.seed)
        write_jsonl(drawn, given.output)
        print(f"{given.output} has {len(drawn):,} questions about {given.photos:,} photos.")

    return run(parser, write, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
