"""Yes/no questions from the captions of photos: "Is there a dog?", true or not.

    python -m train.caption_questions --captions captions.jsonl --output is_there.jsonl [--per-photo 2] [--varied]

A photo gets a question about a noun of its captions (yes) and one about a noun that is frequent in others, but neither
named nor implied by its own (no). Every noun has as many questions with yes as with no, so that the question alone says
nothing about its answer. Questions of this one form measure whether a model looks; `--varied` ones are for training.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from train.captions.data import captioned
from train.captions.nouns import Nouns, article, find_nouns, plural
from vqa.data.examples import Example, write_jsonl
from vqa.model.errors import InputError
from vqa.script import run

PLAIN = ("Is there {a} {thing}?",)
VARIED = (
    *PLAIN,
    "Are there any {things}?",
    "Is there {a} {thing} in the picture?",
    "Do you see {a} {thing}?",
    "Can you see {a} {thing}?",
)
TRIES = 50  # nouns that are tried for a photo's question with no

Item = tuple[int, str, str]  # photo, noun, answer


def caption_questions(
    files: Sequence[Path], per_photo: int = 1, seed: int = 1, varied: bool = False
) -> tuple[list[Example], str]:
    """The questions, by photo in the order of the files, and a report for the user.

    per_photo: at most so many with yes, and so many with no. Raises `InputError` for a file that is not of captions, or
    captions too few to find a noun in.
    """
    if per_photo < 1 or seed < 0:
        raise InputError(f"--per-photo is {per_photo} and --seed {seed}; give at least 1 and at least 0.")
    nouns = Nouns(find_nouns(captions for file in files for _, captions, _ in captioned(file)))
    if not nouns.near:
        raise InputError(f"The captions of {files[0]} share no frequent noun; give those of more photos.")
    photos: dict[str, tuple[set[str], set[str]]] = {}
    for file in files:
        for name, captions, _ in captioned(file):
            for known, new in zip(photos.setdefault(name, (set(), set())), nouns.read(captions), strict=True):
                known.update(new)
    generator = np.random.default_rng(seed)
    items = balance(list(draw(list(photos.values()), per_photo, generator)))
    names, templates, numbers = list(photos), VARIED if varied else PLAIN, Counter[int]()
    examples = []
    for photo, noun, answer in sorted(items, key=lambda item: item[0]):
        numbers[photo] += 1
        template, identity = templates[generator.integers(len(templates))], f"{names[photo]}-{numbers[photo]}"
        question = template.format(a=article(noun), thing=noun.replace("_", " "), things=plural(noun).replace("_", " "))
        examples.append(Example(names[photo], question, answer, question_id=identity, source="captions"))
    if not examples:
        raise InputError(f"The captions of all photos in {files[0]} name the same things; give those of more photos.")
    without = sum(not present for present, _ in photos.values())
    unbalanced = len(photos) - len(numbers) - without
    return examples, (
        f"{len(examples):,} questions about {len(numbers):,} photos and {len(nouns.near):,} nouns, half with yes.\n"
        f"Photos left out: {without:,} whose captions have none of these nouns, {unbalanced:,} to balance yes and no."
    )


def draw(photos: Sequence[tuple[set[str], set[str]]], per_photo: int, generator: np.random.Generator) -> Iterator[Item]:
    """Nouns with yes and with no for each photo, of which `photos` holds the nouns that are present and those that may
    be.

    The nouns with no are those with yes, dealt again to other photos, so that both are about as frequent.
    """
    present: list[tuple[int, str]] = []
    for photo, (nouns, _) in enumerate(photos):
        present += [(photo, str(noun)) for noun in generator.permutation(sorted(nouns))[:per_photo]]
    yield from ((photo, noun, "yes") for photo, noun in present)
    deck = [present[i][1] for i in generator.permutation(len(present))]
    dealt = set[tuple[int, str]]()
    for photo, _ in present:
        for place in range(len(deck) - 1, max(-1, len(deck) - 1 - TRIES), -1):
            noun = deck[place]
            if noun not in photos[photo][1] and (photo, noun) not in dealt:
                deck[place] = deck[-1]
                deck.pop()
                dealt.add((photo, noun))
                yield photo, noun, "no"
                break


def balance(items: Sequence[Item]) -> list[Item]:
    """Without the last questions of nouns that have more with one answer than with the other."""
    count = Counter((noun, answer) for _, noun, answer in items)
    balanced, taken = [], Counter[tuple[str, str]]()
    for photo, noun, answer in items:
        taken[noun, answer] += 1
        if taken[noun, answer] <= min(count[noun, "yes"], count[noun, "no"]):
            balanced.append((photo, noun, answer))
    return balanced


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.caption_questions", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--captions", required=True, nargs="+", type=Path, metavar="FILE", help='JSON lines: "image" and "captions"'
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the questions, as JSON lines")
    parser.add_argument("--per-photo", type=int, default=1, metavar="K", help="questions with yes a photo (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of nouns (default: 1)")
    parser.add_argument("--varied", action="store_true", help="ask in several ways: for training")

    def write(given: argparse.Namespace) -> None:
        examples, report = caption_questions(given.captions, given.per_photo, given.seed, given.varied)
        write_jsonl(examples, given.output)
        print(report)

    return run(parser, write, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
