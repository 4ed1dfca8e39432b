"""Yes/no questions from what people wrote under photos: "Is there a dog?", true or not.

    python -m train.caption_questions --captions captions.jsonl --output is_there.jsonl [--per-photo 2] [--varied]

A photo is asked about a noun in its captions (yes) and about one that is frequent in others' but neither in its own
nor meant by another word of them (no). Every noun is asked with yes as often as with no, so that the question alone
tells nothing. Questions in this one form measure whether a model looks; `--varied` ones are for training.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from train.captions.data import captioned
from train.captions.nouns import Nouns, article, find_nouns, plural, shown
from vqa.data.examples import Example, write_jsonl
from vqa.model.errors import InputError

PLAIN = ("Is there {a} {thing}?",)
VARIED = (
    *PLAIN,
    "Are there any {things}?",
    "Is there {a} {thing} in the picture?",
    "Do you see {a} {thing}?",
    "Can you see {a} {thing}?",
)
TRIES = 50  # nouns that are tried for a photo before it goes without

Asked = tuple[int, str, str]  # photo, noun, answer


def caption_questions(
    files: Sequence[Path], per_photo: int = 1, seed: int = 1, varied: bool = False
) -> tuple[list[Example], list[str]]:
    """The questions, by photo in the files' order; and sentences about them for the user.

    per_photo: at most so many with yes, and so many with no. Raises `InputError` for a file that is not of captions,
    or captions too few to find a noun in.
    """
    nouns = Nouns(find_nouns(captions for file in files for _, captions, _ in captioned(file)))
    if not nouns.near:
        raise InputError(f"The captions of {files[0]} share no noun that is frequent; give those of more photos.")
    photos: dict[str, tuple[set[str], set[str]]] = {}
    for file in files:
        for name, captions, _ in captioned(file):
            there, near = nouns.read(captions)
            known = photos.setdefault(name, (set(), set()))
            known[0].update(there)
            known[1].update(near)
    generator = np.random.default_rng(seed)
    asked = balance(ask(list(photos.values()), per_photo, generator))
    names, templates = list(photos), VARIED if varied else PLAIN
    numbers = Counter[int]()
    examples = []
    for photo, noun, answer in sorted(asked, key=lambda one: one[0]):
        numbers[photo] += 1
        template = templates[generator.integers(len(templates))]
        question = template.format(a=article(noun), thing=shown(noun), things=shown(plural(noun)))
        identity = f"{names[photo]}-{numbers[photo]}"
        examples.append(Example(names[photo], question, answer, question_id=identity, source="captions"))
    if not examples:
        raise InputError(f"The captions of all photos in {files[0]} say the same; give those of more photos.")
    silent = sum(not there for there, _ in photos.values())
    lone = len(photos) - len(numbers) - silent
    said = [f"{len(examples):,} questions about {len(numbers):,} photos and {len(nouns.near):,} nouns, half with yes."]
    if silent:
        said.append(f"{silent:,} photos left out: their captions have none of these nouns.")
    if lone:
        said.append(f"{lone:,} photos left out to keep yes and no in balance.")
    return examples, said


def ask(photos: Sequence[tuple[set[str], set[str]]], per_photo: int, generator: np.random.Generator) -> Iterator[Asked]:
    """For each photo, of which the nouns that are there and those that may be are given, nouns with yes and with no.

    The nouns with no are those with yes, dealt again to other photos, so that both are about as frequent.
    """
    there: list[tuple[int, str]] = []
    for photo, (nouns, _) in enumerate(photos):
        there += [(photo, str(noun)) for noun in generator.permutation(sorted(nouns))[:per_photo]]
    yield from ((photo, noun, "yes") for photo, noun in there)
    deck = [there[i][1] for i in generator.permutation(len(there))]
    dealt = set[tuple[int, str]]()
    for photo, _ in there:
        for place in range(len(deck) - 1, max(-1, len(deck) - 1 - TRIES), -1):
            noun = deck[place]
            if noun not in photos[photo][1] and (photo, noun) not in dealt:
                deck[place] = deck[-1]
                deck.pop()
                dealt.add((photo, noun))
                yield photo, noun, "no"
                break


def balance(asked: Iterator[Asked]) -> list[Asked]:
    """Without the last questions of nouns that have more with one answer than with the other."""
    found = list(asked)
    count = Counter((noun, answer) for _, noun, answer in found)
    kept, taken = [], Counter[tuple[str, str]]()
    for photo, noun, answer in found:
        taken[noun, answer] += 1
        if taken[noun, answer] <= min(count[noun, "yes"], count[noun, "no"]):
            kept.append((photo, noun, answer))
    return kept


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.caption_questions", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--captions", required=True, nargs="+", type=Path, metavar="FILE", help='JSON lines: "image" and "captions"'
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the questions, as JSON lines")
    parser.add_argument("--per-photo", type=int, default=1, metavar="K", help="questions with yes a photo (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="of what is asked (default: 1)")
    parser.add_argument("--varied", action="store_true", help="ask in several ways: for training")
    given = parser.parse_args(arguments)
    try:
        if given.per_photo < 1 or given.seed < 0:
            raise InputError("--per-photo starts at 1 and --seed at 0; give such numbers.")
        examples, said = caption_questions(given.captions, given.per_photo, given.seed, given.varied)
        write_jsonl(examples, given.output)
    except InputError as error:
        print(f"python -m train.caption_questions: {error}", file=sys.stderr)
        return 2
    print("\n".join(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
