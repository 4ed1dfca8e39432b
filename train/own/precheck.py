"""Checks one's own questions and photos before training, and reports all that is wrong with them."""

import difflib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from train.fitting.prepare import askable
from vqa.data.examples import Example, reference
from vqa.data.parallel import map_ahead
from vqa.model.errors import InputError
from vqa.model.photos import open_photo, pixels_hash

FEWEST_PHOTOS = 20
LISTED = 3  # examples of each flaw
LONGEST = 200  # characters of an example
ONE_SIDED = 0.5  # from this share on, a warning is given about a single answer


@dataclass
class Checked:
    """The questions that can be used, and the flaws of the data.

    examples: the usable questions; a photo with two names has the first one. left_out: for each reason a line for each
    question; same: for each further name of a photo, 'b.jpg (as a.jpg)'.
    """

    examples: list[Example]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    same: list[str] = field(default_factory=list)

    @property
    def photos(self) -> list[str]:
        """The photos of the usable questions, each once, in order."""
        return list(dict.fromkeys(example.image for example in self.examples))

    @property
    def answers(self) -> Counter[str]:
        """How often each answer is given, normalised."""
        return Counter(map(reference, self.examples))  # type: ignore[arg-type]

    def remarks(self) -> Iterator[str]:
        """A sentence on the size of the data, and one on each flaw."""
        count = self.answers
        n, photos = len(self.examples), len(self.photos)
        yield f"{counted(n, 'question')} about {counted(photos, 'photo')}, with {counted(len(count), 'answer')}."
        for reason, lines in self.left_out.items():
            yield f"{counted(len(lines), 'question')} left out, {reason}: {some(lines)}."
        if self.same:
            yield (
                f"{counted(len(self.same), 'photo')} with the same pixels as another, put into the same split: "
                f"{some(self.same)}."
            )
        rare = [answer for answer, times in count.items() if times == 1]
        if rare:
            yield (
                f"{counted(len(rare), 'answer')} given only once ({some(list(map(repr, rare)))}): such an answer can "
                "be in training or in validation, not in both; give more examples of it, or merge answers."
            )
        answer, times = count.most_common(1)[0] if count else ("", 0)
        if n and times >= ONE_SIDED * n:
            yield (
                f"{some([repr(answer)])} is right in {times / n:.0%} of the questions, so always giving it scores "
                "well; give more questions with other answers."
            )

    def refuse(self) -> None:
        """Raises `InputError` where too little is left for training and validation."""
        photos, answers = len(self.photos), len(self.answers)
        if photos < FEWEST_PHOTOS:
            raise InputError(
                f"Questions about {counted(photos, 'photo')} are left, and at least {FEWEST_PHOTOS} are needed to "
                "train and to validate; give more, or correct what was left out."
            )
        if answers < 2:
            raise InputError(f"Every question has the answer {next(iter(self.answers))!r}; give questions with others.")


def check(examples: Sequence[Example], images: str | Path, advance: Callable[[], None] = lambda: None) -> Checked:
    """Check every question and open every photo; `advance` is called after each photo.

    Photos are the same if their pixels are, whatever their names and metadata.
    """
    left_out: defaultdict[str, list[str]] = defaultdict(list)
    first: dict[str, str] = {}  # pixels to the first photo that has them
    name_of, broken = {}, {}  # photo to the first one with its pixels, or to its error
    for photo, key, error in map_ahead(identify, dict.fromkeys(e.image for e in examples), depth=32):
        if error:
            broken[photo] = error
        else:
            name_of[photo] = first.setdefault(key, photo)
        advance()
    usable = []
    for example in examples:
        inside = os.path.relpath(example.image, images)
        asked = f"{example.question!r:.60} about {inside}"
        if not os.path.isfile(example.image):
            left_out["as there is no such photo"].append(inside)
        elif example.image in broken:
            left_out["as their photo cannot be read"].append(broken[example.image].rstrip("."))
        elif not askable(example.question):
            left_out["as they have no words, or too many characters"].append(asked)
        elif not reference(example):
            given = any(map(str.strip, (example.answer or "", *example.answers)))
            reason = "their answer has only articles and marks" if given else "they have no 'answer'"
            left_out[f"as {reason}"].append(asked)
        else:
            usable.append(replace(example, image=name_of[example.image]))
    if missing := left_out.get("as there is no such photo"):
        there = {name.lower(): name for name in sorted(os.listdir(images))}
        hints = {}
        for name in list(dict.fromkeys(missing))[:LISTED]:
            if near := difflib.get_close_matches(name.lower(), there, 1, 0.75):
                hints[name] = f"{name} (is it {there[near[0]]}?)"
        missing[:] = [hints.get(name, name) for name in missing]
    same = [f"{os.path.relpath(p, images)} (as {os.path.relpath(q, images)})" for p, q in name_of.items() if p != q]
    return Checked(usable, dict(left_out), same)


def identify(photo: str) -> tuple[str, str, str]:
    """The photo, a hash of its pixels, and the error where it cannot be read."""
    try:
        return photo, pixels_hash(open_photo(photo, shortest_side=256)), ""
    except InputError as error:
        return photo, "", str(error)


def counted(number: int, name: str) -> str:
    """'1 photo', '1,200 photos'."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def some(lines: Sequence[str]) -> str:
    """The first few different ones, cut if they are very long, and how many more there are."""
    different = list(dict.fromkeys(lines))
    more = len(different) - LISTED
    first = [line if len(line) <= LONGEST else line[: LONGEST - 1] + "…" for line in different[:LISTED]]
    return "; ".join(first) + (f" and {more:,} more" if more > 0 else "")
