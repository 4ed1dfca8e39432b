"""Questions from the boxes of photos: what is there, how many, which kind, and where.

    python -m train.box_questions --boxes boxes.jsonl --output questions.jsonl [--per-photo 2] [--seed 1]
    python -m train.box_questions --boxes boxes_val.jsonl --output presence.jsonl --measure

The answer cannot be guessed from the question: each kind has in each wording as many questions with yes as with no,
relations come in pairs with opposite answers (Goyal et al. 2017), and numbers, kinds and sides are balanced. Half of
the questions with no are about photos with objects that often accompany the kind.

--measure writes presence questions only, each in all ten wordings, of which training never uses three; they also ask
for the kinds that training leaves out.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vqa.data.boxes import Box, Objects, read_boxes
from vqa.data.examples import Example, write_jsonl
from vqa.data.kinds import KINDS
from vqa.model.errors import InputError
from vqa.script import run

PRESENCE = (
    "Is there {a} {one}?",
    "Are there any {many}?",
    "Is there {a} {one} in the picture?",
    "Do you see {a} {one}?",
    "Can you see any {many} in this photo?",
    "Does this photo show {a} {one}?",
    "Are any {many} visible?",
    "Does the picture have {a} {one} in it?",
    "Is {a} {one} visible in the photo?",
    "Are there {many} in the photo?",
    "Can {a} {one} be seen?",
    "Does this picture show any {many}?",
    "Do you see any {many} here?",
    "Is there {a} {one} anywhere?",
    "Is {a} {one} in the photo?",
    "Does the photo include {a} {one}?",
    "Is there {a} {one} here?",
    "Are there any {many} here?",
    "Can you spot {a} {one}?",
    "Could you find {a} {one} in this picture?",
    "Are you able to see any {many}?",
    "Does the scene have {a} {one}?",
    "Has this picture got {a} {one} in it?",
    "Does the photo have any {many}?",
    "Does {a} {one} appear in the picture?",
    "Do any {many} appear?",
    "Is {a} {one} shown?",
    "Are {many} shown in the photo?",
    "Does it show {a} {one}?",
    "Does this picture feature {a} {one}?",
    "Does the view include any {many}?",
    "Is {a} {one} part of this scene?",
    "Is at least one {one} visible?",
    "Is this a photo with {a} {one}?",
    "Any {many}?",
    "Any {many} in this picture?",
    "Would you say there is {a} {one} in this photo?",
    "There is {a} {one} here, right?",
)
MEASURED = PRESENCE[:7]
HELD_OUT_WORDINGS = (
    "Is there {a} {one} in this image?",
    "Does the image contain {a} {one}?",
    "Is {a} {one} present here?",
)
HELD_OUT_KINDS = frozenset({"kite", "suitcase", "oven", "sandwich", "bench", "sheep", "vase", "keyboard"})
COUNT = (
    "How many {many} are there?",
    "How many {many} are in the picture?",
    "How many {many} do you see?",
    "How many {many} can you see?",
    "How many {many} are in this photo?",
    "How many {many} are visible?",
    "How many {many} are shown here?",
    "What is the number of {many}?",
)
WHICH = ("What {group} is this?", "Which {group} is in the picture?", "What kind of {group} do you see?")
SIDE = ("Is the {one} on the left or on the right?", "On which side of the picture is the {one}?")
RELATIONS = {  # wording: the axis, and whether the first object has the smaller coordinate
    "Is the {one} to the left of the {other}?": ("x", True),
    "Is the {one} to the right of the {other}?": ("x", False),
    "Is the {one} above the {other}?": ("y", True),
    "Is the {one} below the {other}?": ("y", False),
}
GROUPS = ("animal", "vehicle", "food")
MOST = 8  # objects of a kind that are counted
APART = 0.15  # least distance of two centres in a relation, as a share of the photo


class Item(NamedTuple):
    """A question before it has a number: the photo's file name, the family, the text and the answer."""

    photo: str
    family: str
    question: str
    answer: str


def box_questions(photos: Mapping[str, Objects], per_photo: int = 2, seed: int = 1) -> list[Example]:
    """Balanced questions of all families, in the order of the photos.

    per_photo: at most so many kinds of a photo are asked for with the answer yes. Photos whose boxes are not aligned
    get no questions of places. Raises `InputError` where no question can be asked.
    """
    generator = np.random.default_rng(seed)
    asked = {name: objects for name, objects in photos.items() if objects.kinds}
    aligned = {name: objects for name, objects in asked.items() if objects.aligned}
    items = [
        *presence(asked, per_photo, generator),
        *balanced(counts(aligned, generator), generator),
        *balanced(which(asked, generator), generator),
        *balanced(sides(aligned, generator), generator),
        *relations(aligned, generator),
    ]
    if not items:
        raise InputError("The photos hold too few objects for a balanced question; give the boxes of more photos.")
    return numbered(items)


def measure_presence(photos: Mapping[str, Objects], seed: int = 1) -> list[Example]:
    """Presence in all ten wordings of the same pairs of photo and kind, half of them with yes."""
    generator = np.random.default_rng(seed)
    pairs = [pair for kind in KINDS for pair in draw_pairs(photos, kind, 4, generator)]
    wordings = (*MEASURED, *HELD_OUT_WORDINGS)
    return numbered(
        [Item(photo, wording, fill(wording, kind), answer) for photo, kind, answer in pairs for wording in wordings]
    )


def fill(wording: str, kind: str, **words: str) -> str:
    """The wording about a kind."""
    article = "an" if kind[0] in "aeiou" else "a"
    return wording.format(a=article, one=kind, many=KINDS[kind].plural, **words)


def choose(wordings: Sequence[str], generator: np.random.Generator) -> str:
    return wordings[int(generator.integers(len(wordings)))]


def presence(photos: Mapping[str, Objects], per_photo: int, generator: np.random.Generator) -> Iterator[Item]:
    """The same number of questions with yes and with no for each kind in each wording."""
    drawn = Counter(
        kind
        for objects in photos.values()
        for kind in generator.permutation(sorted(objects.kinds - HELD_OUT_KINDS))[:per_photo]
    )
    for kind, number in sorted(drawn.items()):
        pairs, first = draw_pairs(photos, kind, number, generator), int(generator.integers(len(PRESENCE)))
        for place, (photo, _, answer) in enumerate(pairs):  # yes and no alternate: two of each wording
            yield Item(photo, "presence", fill(PRESENCE[(first + place // 2) % len(PRESENCE)], kind), answer)


def draw_pairs(
    photos: Mapping[str, Objects], kind: str, number: int, generator: np.random.Generator
) -> list[tuple[str, str, str]]:
    """`number` photos with the kind and as many without it, alternating; half of the latter hold what often goes with
    the kind. Fewer where there are not enough."""
    having = [name for name, objects in photos.items() if kind in objects.kinds]
    without = [name for name, objects in photos.items() if kind not in objects.kinds]
    number = min(number, len(having), len(without))
    if number == 0:
        return []
    company = Counter(other for name in having for other in photos[name].kinds - {kind})
    weights = np.array([sum(company[other] for other in photos[name].kinds) for name in without], dtype=float) + 1e-9
    near = min(number // 2, int((weights > 1e-6).sum()))
    chosen = list(generator.choice(len(without), near, replace=False, p=weights / weights.sum()))
    rest = np.setdiff1d(np.arange(len(without)), chosen)
    chosen += list(generator.choice(rest, number - near, replace=False))
    yes = generator.permutation(len(having))[:number]
    return [
        pair
        for i, j in zip(yes, generator.permutation(chosen), strict=True)
        for pair in ((having[i], kind, "yes"), (without[j], kind, "no"))
    ]


def counts(photos: Mapping[str, Objects], generator: np.random.Generator) -> Iterator[Item]:
    """How many there are of each kind that is not a crowd."""
    for name, objects in photos.items():
        number_of = Counter(box.kind for box in objects.boxes)
        for kind, number in sorted(number_of.items()):
            if number <= MOST and kind not in objects.crowd | HELD_OUT_KINDS:
                yield Item(name, "count", fill(choose(COUNT, generator), kind), str(number))


def which(photos: Mapping[str, Objects], generator: np.random.Generator) -> Iterator[Item]:
    """Which animal, vehicle or food, where there is one kind of these."""
    for name, objects in photos.items():
        for group in GROUPS:
            kinds = sorted(kind for kind in objects.kinds if KINDS[kind].group == group)
            if len(kinds) == 1 and kinds[0] not in HELD_OUT_KINDS:
                yield Item(name, f"which {group}", choose(WHICH, generator).format(group=group), kinds[0])


def single_boxes(objects: Objects) -> dict[str, Box]:
    """The boxes of kinds of which there is one object only."""
    number_of = Counter(box.kind for box in objects.boxes)
    return {b.kind: b for b in objects.boxes if number_of[b.kind] == 1 and b.kind not in objects.crowd | HELD_OUT_KINDS}


def sides(photos: Mapping[str, Objects], generator: np.random.Generator) -> Iterator[Item]:
    """The side of the photo on which a single object lies."""
    for name, objects in photos.items():
        for kind, box in sorted(single_boxes(objects).items()):
            if abs(box.centre[0] - 0.5) > APART and box.width < 0.5:
                side = "left" if box.centre[0] < 0.5 else "right"
                yield Item(name, "side", fill(choose(SIDE, generator), kind), side)


def relations(photos: Mapping[str, Objects], generator: np.random.Generator) -> Iterator[Item]:
    """One object beside or above another, asked in both orders, so that yes and no are about the same photo."""
    for name, objects in photos.items():
        single = sorted(single_boxes(objects).items())
        if len(single) < 2:
            continue
        first, second = (single[i] for i in generator.choice(len(single), 2, replace=False))
        wording = choose(tuple(RELATIONS), generator)
        axis, smaller = RELATIONS[wording]
        if not apart(first[1], second[1], axis):
            continue
        before = first[1].centre[axis == "y"] < second[1].centre[axis == "y"]
        for (one, _), (other, _), holds in ((first, second, before == smaller), (second, first, before != smaller)):
            yield Item(name, "relation", fill(wording, one, other=other), "yes" if holds else "no")


def apart(one: Box, other: Box, axis: str) -> bool:
    """Whether two boxes do not overlap along an axis and their centres are distant."""
    (a, size_a), (b, size_b) = ((box.x, box.width) if axis == "x" else (box.y, box.height) for box in (one, other))
    return (a + size_a <= b or b + size_b <= a) and abs(a + size_a / 2 - b - size_b / 2) >= APART


def balanced(items: Iterator[Item], generator: np.random.Generator) -> list[Item]:
    """At most as many items of an answer as the family's third most common answer has, or its last if it has two."""
    families: dict[str, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        families[item.family][item.answer].append(item)
    kept: list[Item] = []
    for _, by_answer in sorted(families.items()):
        sizes = sorted(map(len, by_answer.values()), reverse=True)
        limit = sizes[min(2, len(sizes) - 1)]
        for _, group in sorted(by_answer.items()):
            kept += [group[i] for i in sorted(generator.permutation(len(group))[:limit])]
    return kept


def numbered(items: Sequence[Item]) -> list[Example]:
    """Examples with an id of their own, in the order of the photos."""
    number = Counter[str]()
    examples = []
    for photo, family, question, answer in sorted(set(items)):
        number[photo] += 1
        identity = f"{Path(photo).stem}-{number[photo]}"
        examples.append(Example(photo, question, answer, question_id=identity, question_type=family, source="boxes"))
    return examples


def report(examples: Sequence[Example]) -> str:
    """A line a family: its questions and its most common answers."""
    families: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        families[example.question_type or ""][example.answer or ""] += 1
    lines = []
    for family, answers in families.items():
        common = ", ".join(f"{answer} {count:,}" for answer, count in answers.most_common(6))
        lines.append(f"{family}: {sum(answers.values()):,} questions ({common})")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.box_questions", description=__doc__.split("\n")[0])
    parser.add_argument("--boxes", required=True, type=Path, metavar="FILE", help="the boxes, as JSON lines")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the questions, as JSON lines")
    parser.add_argument("--per-photo", type=int, default=2, metavar="K", help="kinds with yes a photo (default: 2)")
    parser.add_argument("--seed", type=int, default=1, help="of all choices (default: 1)")
    parser.add_argument("--measure", action="store_true", help="presence only, in all wordings")

    def write(given: argparse.Namespace) -> None:
        photos = read_boxes(given.boxes)
        if given.per_photo < 1 or given.seed < 0:
            raise InputError(f"--per-photo is {given.per_photo}, --seed {given.seed}; give at least 1 and at least 0.")
        if given.measure:
            examples = measure_presence(photos, given.seed)
        else:
            examples = box_questions(photos, given.per_photo, given.seed)
        write_jsonl(examples, given.output)
        print(report(examples))

    return run(parser, write, arguments)


if __name__ == "__main__":
    sys.exit(main())
