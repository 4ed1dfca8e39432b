"""Robustness: how much worse are the answers to mistyped or rephrased questions and about damaged photos?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from vqa.data.examples import Example, reference
from vqa.evaluation.answers.questions import refusal
from vqa.evaluation.measures.statistics import interval, percent, resampled_means
from vqa.evaluation.probes.asked_again import AskedAgain, exact_match, generator_for
from vqa.evaluation.probes.damage import PHOTO_DAMAGES, QUESTION_DAMAGES, says_side

PLAIN = "plain"
VARIANTS = (*QUESTION_DAMAGES, *PHOTO_DAMAGES)


@dataclass(frozen=True)
class Robustness(AskedAgain):
    """Asks every question again with each damage of `vqa.evaluation.probes.damage`, one at a time.

    A photo is damaged at the model's input size, so that flaws weigh the same in photos of any size. A question counts
    in a variant if the damage applies to it: no typo without a content word, no paraphrase without a template, no
    mirror where the question says left or right (writing, which the mirror spoils, too, is not detected).
    variants: those to measure.
    """

    variants: tuple[str, ...] = VARIANTS

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """`plain` exact match, and for each of the `variants` its `n`, the `plain` and the `exact` figure of these
        questions, the `drop` between the two with its 95% `interval` by a paired bootstrap over photos, and the share
        of the answers that `changed`; None where `n` is 0. skipped: examples whose photo or question cannot be read.

        Raises `InputError` if no example can be read.
        """

        def damaged(square: Image.Image) -> dict[str, Image.Image]:
            chosen = {name: damage for name, damage in PHOTO_DAMAGES.items() if name in self.variants}
            return {PLAIN: square} | {name: damage(square) for name, damage in chosen.items()}

        examples: list[Example] = []
        answers: dict[str, list[str | None]] = {name: [] for name in (PLAIN, *self.variants)}
        for photos, asked, rows in self.read(damaged):
            grids = {name: self.encode([photo[name] for photo in photos]) for name in photos[0]}
            for name, column in answers.items():
                column += self.answer(name, asked, rows, grids.get(name, grids[PLAIN]))
            examples += asked
        truth = [reference(e) for e in examples]
        scores = {name: exact_match(column, truth) for name, column in answers.items()}
        drops = {name: scores[PLAIN] - scores[name] for name in self.variants}
        means = resampled_means(drops, [e.image for e in examples], self.seed)

        def figures(name: str) -> dict[str, Any]:
            fit = ~np.isnan(scores[name])
            changed = np.array([a != b for a, b in zip(answers[PLAIN], answers[name], strict=True)])
            return {
                "n": int(fit.sum()),
                "plain": percent(scores[PLAIN][fit]),
                "exact": percent(scores[name][fit]),
                "drop": percent(drops[name][fit]),
                "interval": interval(means[name]),
                "changed": percent(changed[fit]),
            }

        section = {
            "n": len(examples),
            "skipped": len(self.examples) - len(examples),
            "plain": percent(scores[PLAIN]),
            "variants": {name: figures(name) for name in self.variants},
        }
        yield "robustness", section

    def answer(self, name: str, examples: list[Example], rows: np.ndarray, grids: Any) -> list[str | None]:
        """The answers in a variant; None where the damage does not apply. rows: `(B,)`, the photo of each example."""
        questions = [self.variant(example, name) for example in examples]
        fit = [i for i, asked in enumerate(questions) if asked is not None and not refusal(self.vqa.check, asked)]
        answers: list[str | None] = [None] * len(examples)
        if fit:
            given = self.ask(grids, [questions[i] or "" for i in fit], rows[fit])
            for i, answer in zip(fit, given.answers, strict=True):
                answers[i] = answer
        return answers

    def variant(self, example: Example, name: str) -> str | None:
        """The question in a variant; None where the damage does not apply to it."""
        if name in QUESTION_DAMAGES:
            return QUESTION_DAMAGES[name](example.question, generator_for(self.seed, example))
        return None if name == "mirrored" and says_side(example.question) else example.question
