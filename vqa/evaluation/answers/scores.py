"""What an answer is worth: exact match, the official accuracy, WUPS; and the guesses that it is held against."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqa.data.examples import Example, reference
from vqa.data.metric import normalize_answer, vqa_accuracy
from vqa.evaluation.answers.predictions import Answered, name
from vqa.evaluation.answers.priors import Priors
from vqa.evaluation.measures.wups import wups

OFFICIAL = 10  # the official accuracy is defined for ten human answers
WUPS = (0.9, 0.0)
Record = dict[str, Any]


class Judge:
    """Scores answers, and those of the baselines, question by question.

    known: the answers that the model can give, the common ones first; None if that is not known. priors: counted on the
    training split. With `semantic`, WUPS too (slower; see `vqa.evaluation.measures.wups`).
    """

    def __init__(self, known: tuple[str, ...] | list[str] | None, priors: Priors | None, semantic: bool = False):
        self.known: Mapping[str, int] | None = None if known is None else {a: place for place, a in enumerate(known)}
        self.priors = priors
        self.semantic = semantic

    def guesses(self, answered: Answered) -> dict[str, str]:
        """The answer of the model and of each baseline."""
        example, found = answered.example, {"model": answered.prediction}
        for head, guess in (("blind_head", answered.blind), ("image_only", answered.image_only)):
            if guess is not None:
                found[head] = guess
        if self.priors is not None:
            found["majority"] = self.priors.majority
            found["question_prefix"] = self.priors.question_only(example.question)
            found["type_prior"] = self.priors.by_type.get(example.answer_type or "unknown", self.priors.majority)
        return found

    def record(self, answered: Answered) -> Record:
        """What is kept of a question: what was asked, answered and known, and its scores in 0-1 by guess.

        exact: prediction and reference both normalised, then equal; None without a reference. official: None with fewer
        than ten answers. upper_bound: the best that the model's list allows.
        """
        example, wanted = answered.example, reference(answered.example) or None
        raw = self.guesses(answered)
        guesses = {guess: normalize_answer(answer) for guess, answer in raw.items()}
        scores: dict[str, Any] = {"exact": None, "official": None}
        if wanted is not None:
            scores["exact"] = {guess: int(answer == wanted) for guess, answer in guesses.items()}
            if self.known is not None:
                scores["exact"]["upper_bound"] = int(wanted in self.known)
            if self.semantic:
                truth = example.answer if example.answer is not None else wanted
                scores |= {
                    f"wups_{level}": {guess: round(wups(a, truth, level), 6) for guess, a in raw.items()}
                    for level in WUPS
                }
        if wanted is not None and len(example.answers) >= OFFICIAL:
            worth = {answer: official(answer, example) for answer in set(guesses.values())}
            scores["official"] = {guess: worth[answer] for guess, answer in guesses.items()}
            if self.known is not None:
                scores["official"]["upper_bound"] = best_official(example, self.known)
        image = answered.attention
        return {
            "index": answered.index,
            "question_id": name(answered.index, example),
            "image": example.image,
            "photo": Path(example.image).name,
            "question": example.question,
            "reference": wanted,
            "answers": list(example.answers),
            "answer_type": example.answer_type or "unknown",
            "question_type": example.question_type or "unknown",
            "source": example.source or "unknown",
            "rank": None if wanted is None or self.known is None else rank(wanted, self.known),
            "prediction": answered.prediction,
            "confidence": None if answered.confidence is None else round(answered.confidence, 6),
            "top": [[answer, round(p, 6)] for answer, p in answered.top],
            "blind": answered.blind,
            "image_only": answered.image_only,
            "swapped": answered.swapped,
            "attention": None if image is None else base64.b64encode(image.tobytes()).decode(),
            "grid": None if image is None else list(image.shape),
            **scores,
        }


def official(answer: str, example: Example) -> float:
    """The official accuracy in 0-1."""
    return vqa_accuracy(answer, example.answers) / 100


def best_official(example: Example, known: Mapping[str, int]) -> float:
    """The best official accuracy, in 0-1, that an answer among `known` can have."""
    possible = {answer for answer in map(normalize_answer, example.answers) if answer in known}
    return max((official(answer, example) for answer in possible), default=0.0)


def length(question: str) -> str:
    """A question's length in words, in four classes."""
    words = len(question.split())
    return next(
        (name for most, name in ((4, "1-4 words"), (6, "5-6 words"), (9, "7-9 words")) if words <= most), "10+ words"
    )


def rank(answer: str, known: Mapping[str, int]) -> str:
    """How common an answer was in training, by its place in the model's list, which has the common ones first."""
    place = known.get(answer)
    if place is None:
        return "not in the list"
    return next((name for end, name in ((10, "1-10"), (100, "11-100"), (1000, "101-1000")) if place < end), "1001+")
