"""Presence in ten wordings, left and right in the mirror, and answers without the photo."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageOps

from vqa.covering import GREY
from vqa.data.boxes import read_boxes
from vqa.data.examples import Example, reference
from vqa.data.kinds import KINDS
from vqa.data.metric import normalize_answer
from vqa.evaluation.answers.questions import refusal
from vqa.evaluation.measures.statistics import interval, percent, resampled_means
from vqa.evaluation.probes.asked_again import AskedAgain, exact_match, generator_for
from vqa.evaluation.probes.damage import SIDE, says_side
from vqa.evaluation.probes.pointing import scenes_of

WORDINGS = (
    "is there {0}?",
    "is there {0} in the picture?",
    "is there {0} in this photo?",
    "can you see {0}?",
    "do you see {0} in the image?",
    "does the picture show {0}?",
    "does this photo have {0} in it?",
    "is {0} visible?",
    "is {0} in the picture?",
    "would you say there is {0} here?",
)
SIDES = {"left": "right", "right": "left"}
PLURAL = frozenset(kind.name for kind in KINDS.values() if kind.name == kind.plural)  # 'skis', 'scissors'


@dataclass(frozen=True)
class Presence(AskedAgain):
    """For each photo something that is on it and something that is not, each in ten wordings.

    objects: what is on each photo, by its file name; all: everything that may be asked for.
    """

    objects: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """`right`, the share of right answers, of which half are 'yes', with its 95% `interval` by the bootstrap over
        photos; `yes`, the share of answers that are 'yes'; `consistent`, the share of the things that get the same
        answer in all wordings; `all_right`, of those that are right in all. n: things. Yields nothing without objects.
        """
        names = sorted(frozenset().union(*self.objects.values()))
        asked: dict[str, list[tuple[str, str]]] = {}
        for example in self.examples:
            present = self.objects.get(Path(example.image).name, frozenset())
            absent = sorted({*names} - present)
            if present and absent and example.image not in asked:
                draw = generator_for(self.seed, replace(example, question="presence", question_id=None))
                asked[example.image] = [
                    (sorted(present)[int(draw.integers(len(present)))], "yes"),
                    (absent[int(draw.integers(len(absent)))], "no"),
                ]
        things = [(image, *thing) for image, two in asked.items() for thing in two]
        things = [thing for thing in things if not any(refusal(self.vqa.check, w.format(thing[1])) for w in WORDINGS)]
        examples = [Example(i, words.format(with_article(name)), a) for i, name, a in things for words in WORDINGS]
        if not examples:
            return
        answers, truth, photos = [], [], []
        for squares, some, rows in replace(self, examples=examples).read():
            answers += self.ask(self.encode(squares), [e.question for e in some], rows).answers
            truth += [e.answer for e in some]
            photos += [e.image for e in some]
        said = np.array([normalize_answer(a) for a in answers]).reshape(-1, len(WORDINGS))
        right = said == np.array(truth).reshape(said.shape)
        mean = resampled_means({"right": right.mean(1)}, photos[:: len(WORDINGS)], self.seed)["right"]
        figures = {
            "n": len(said),
            "right": percent(right),
            "interval": interval(mean),
            "yes": percent(said == "yes"),
            "consistent": percent((said == said[:, :1]).all(1)),
            "all_right": percent(right.all(1)),
        }
        yield "looking/presence", figures


@dataclass(frozen=True)
class Mirror(AskedAgain):
    """Questions about left and right, asked about the photo and its mirror image."""

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """`exact` and, in the mirror, `mirrored` exact match, where the sides in question or answer are swapped, and
        `both`, the share right in both, with its 95% `interval`; `same`, the share of answers that ignore the mirror
        though the right one changes. Yields nothing if no question is about left or right.
        """
        chosen = [e for e in self.examples if about_sides(e)]
        if not chosen:
            return
        scores, photos = [], []
        for squares, some, rows in replace(self, examples=chosen).read():
            plain = self.ask(self.encode(squares), [e.question for e in some], rows).answers
            pairs = [in_the_mirror(e.question, reference(e) or "") for e in some]
            turned = self.encode([ImageOps.mirror(square) for square in squares])
            other = self.ask(turned, [question for question, _ in pairs], rows).answers
            for example, one, two, (_, truth) in zip(some, map(normalize_answer, plain), other, pairs, strict=True):
                two, first = normalize_answer(two), reference(example)
                scores.append((one == first, two == truth, one == two and truth != first, truth != first))
            photos += [e.image for e in some]
        one, two, same, changes = np.array(scores, dtype=float).T
        both = one * two
        figures = {
            "n": len(scores),
            "exact": percent(one),
            "mirrored": percent(two),
            "both": percent(both),
            "interval": interval(resampled_means({"both": both}, photos, self.seed)["both"]),
            "same": percent(same[changes == 1]),
        }
        yield "looking/mirror", figures


@dataclass(frozen=True)
class Blind(AskedAgain):
    """The same questions about a grey photo, and without any where the model can be asked so."""

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Exact match about the `photo`, a `grey` photo, and with `none` (None where that is not possible); `drop` from
        the photo to grey, with its 95% `interval` by a paired bootstrap over photos."""
        answers: dict[str, list[str | None]] = {"photo": [], "grey": [], "none": []}
        asked: list[Example] = []
        for squares, some, rows in self.read():
            questions = [e.question for e in some]
            grey = self.encode([GREY.resize(squares[0].size)])
            answers["photo"] += self.ask(self.encode(squares), questions, rows).answers
            answers["grey"] += self.ask(grey, questions, np.zeros(len(rows), int)).answers
            answers["none"] += self._without(some)
            asked += some
        truth, photos = [reference(e) for e in asked], [e.image for e in asked]
        scores = {name: exact_match(column, truth) for name, column in answers.items()}
        drop = scores["photo"] - scores["grey"]
        figures = {
            "n": len(asked),
            "photo": percent(scores["photo"]),
            "grey": percent(scores["grey"]),
            "none": percent(scores["none"][~np.isnan(scores["none"])]),
            "drop": percent(drop),
            "interval": interval(resampled_means({"drop": drop}, photos, self.seed)["drop"]),
        }
        yield "looking/blind", figures

    def _without(self, examples: list[Example]) -> list[str | None]:
        model: Any = self.vqa
        if model.kind:
            answers = model.ask_without([e.question for e in examples])
            return [None if answer is None else answer.answer for answer in answers]
        blind = [model.ask(example.image, example.question, 1).blind for example in examples]
        return [None if answer is None else answer.answer for answer in blind]


def about_sides(example: Example) -> bool:
    """Whether a question or its answer says left or right."""
    return reference(example) in SIDES or says_side(example.question)


def in_the_mirror(question: str, answer: str) -> tuple[str, str]:
    """The question and its answer with left and right swapped: in the answer if it is a side, else in the question."""
    if answer in SIDES:
        return question, SIDES[answer]
    return SIDE.sub(lambda match: SIDES[match[0].lower()], question), answer


def with_article(name: str) -> str:
    return name if name in PLURAL else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def objects_of(boxes: str | None, scenes: Path) -> dict[str, frozenset[str]]:
    """What is on each photo: by a file of boxes, or by the scenes of the drawn world; {} without both."""
    if boxes is not None:
        return {photo: objects.kinds for photo, objects in read_boxes(boxes).items()}
    if not scenes.is_file():
        return {}
    with scenes_of(scenes) as content:
        return {s["image"]: frozenset(f"{x['colour']} {x['shape']}" for x in s["shapes"]) for s in content}
