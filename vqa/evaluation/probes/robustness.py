"""Robustness: how much worse are the answers to questions with a slip and about photos with a flaw?"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from vqa.data.examples import Example, reference
from vqa.data.metric import normalize_answer
from vqa.evaluation.measures.bootstrap import interval, resampled_means
from vqa.evaluation.probes.batches import ask, encode, percent, read_batches, readable, stream
from vqa.evaluation.probes.damage import PHOTO_DAMAGES, QUESTION_DAMAGES, says_side
from vqa.model.errors import InputError
from vqa.predict import VQA

PLAIN = "plain"


def robustness(
    vqa: VQA, examples: Sequence[Example], seed: int = 0, advance: Callable[[int], None] = lambda questions: None
) -> dict[str, Any]:
    """Ask every question again with each damage of `vqa.evaluation.probes.damage`, one at a time.

    A photo is damaged as the model sees it, in its small square, so that flaws weigh the same in photos of any size.
    A question counts in a variant if the damage fits it: no slip without a content word, no paraphrase without a
    template, no mirror where the question says left or right (writing, which the mirror spoils too, is not told apart).

    Returns, in percent: `plain` exact match, and for each of the `variants` its `n`, the `plain` and the `exact` figure
    of these questions, the `drop` between the two with its 95% `interval` by a paired bootstrap over photos, and the
    share of the answers that `changed`; None where `n` is 0. skipped: examples whose photo or question cannot be read.
    Raises `InputError` if no example can be read.
    """

    def ready(square: Image.Image) -> dict[str, Image.Image]:
        return {PLAIN: square} | {name: damage(square) for name, damage in PHOTO_DAMAGES.items()}

    done: list[Example] = []
    answers: dict[str, list[str | None]] = {name: [] for name in (PLAIN, *QUESTION_DAMAGES, *PHOTO_DAMAGES)}
    for photos, asked, rows in read_batches(vqa, examples, ready):
        grids = {name: encode(vqa, [photo[name] for photo in photos]) for name in photos[0]}
        for name, found in answers.items():
            variants = [(i, variant(e, name, seed)) for i, e in enumerate(asked)]
            fits = [(i, question) for i, question in variants if question is not None and readable(vqa, question)]
            column: list[str | None] = [None] * len(asked)
            if fits:
                places = [i for i, _ in fits]
                probabilities, _ = ask(vqa, grids.get(name, grids[PLAIN]), [q for _, q in fits], rows[places])
                for i, best in zip(places, probabilities.argmax(-1).tolist(), strict=True):
                    column[i] = vqa.answers[best]
            found += column
        done += asked
        advance(len(asked))
    if not done:
        raise InputError("No question could be asked; check that the photos are where the data says.")
    truth = [reference(e) for e in done]
    scores = {name: score(column, truth) for name, column in answers.items()}
    names = [name for name in answers if name != PLAIN]
    drops = {name: scores[PLAIN] - scores[name] for name in names}
    means = resampled_means(drops, [e.image for e in done], seed)

    def figures(name: str) -> dict[str, Any]:
        fit = ~np.isnan(scores[name])
        return {
            "n": int(fit.sum()),
            "plain": percent(scores[PLAIN][fit]),
            "exact": percent(scores[name][fit]),
            "drop": percent(drops[name][fit]),
            "interval": interval(means[name]),
            "changed": percent(differ(answers[PLAIN], answers[name])[fit]),
        }

    return {
        "n": len(done),
        "skipped": len(examples) - len(done),
        "plain": percent(scores[PLAIN]),
        "variants": {name: figures(name) for name in names},
    }


def variant(example: Example, name: str, seed: int) -> str | None:
    """The question as it is asked in a variant; None where the damage does not fit it."""
    if name in QUESTION_DAMAGES:
        return QUESTION_DAMAGES[name](example.question, stream(seed, example))
    return None if name == "mirrored" and says_side(example.question) else example.question


def score(answers: Sequence[str | None], truth: Sequence[str | None]) -> np.ndarray:
    """`(n,)`: 1 for an exact match, 0 for none, NaN without an answer."""
    pairs = zip(answers, truth, strict=True)
    return np.array([np.nan if a is None else float(normalize_answer(a) == t) for a, t in pairs])


def differ(first: Sequence[str | None], second: Sequence[str | None]) -> np.ndarray:
    """`(n,)`: 1 where two answers differ."""
    return np.array([float(a != b) for a, b in zip(first, second, strict=True)])
