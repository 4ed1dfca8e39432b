"""An answer and what it is worth: exact match, the official accuracy, WUPS, beside those of the baselines."""

import base64
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqa.data.examples import Example, reference
from vqa.data.metric import given_accuracies, normalize_answer, vqa_accuracy
from vqa.evaluation.answers.questions import OFFICIAL, question_name
from vqa.evaluation.measures.wups import wups

WUPS = (0.9, 0.0)
LENGTHS = {4: "1-4 words", 6: "5-6 words", 9: "7-9 words"}  # the greatest number of words: the class
RANKS = {10: "1-10", 100: "11-100", 1000: "101-1000"}
Record = dict[str, Any]

_WORD = re.compile(r"[^\W_]+")
LONGEST_PREFIX = 4  # words


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and the answers of a model.

    index: the question's place in the data. blind, image_only: the answers of those heads; swapped: the answer about
    another photo, if asked. sure, photo_mattered: as in `Answer`. attention: `(h, w)` bytes, the mean of the glimpses'
    maps with its peak at 255; glimpses: `(G, h, w)`, each of these maps, if there are several. logits, if kept: of the
    whole model and of the blind head.
    """

    index: int
    example: Example
    prediction: str
    confidence: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    blind: str | None = None
    image_only: str | None = None
    swapped: str | None = None
    sure: bool | None = None
    photo_mattered: float | None = None
    attention: np.ndarray | None = None
    glimpses: np.ndarray | None = None
    logits: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class Priors:
    """The most common answers of the training questions: baselines that any model should beat.

    majority: of all questions; by_type: of each answer type; by_prefix: of the questions that begin with up to four
    given words (joined by spaces), only where it differs from that of the next shorter prefix.
    """

    majority: str
    by_type: dict[str, str]
    by_prefix: dict[str, str]

    @classmethod
    def count(cls, examples: Iterable[Example], min_count: int = 3) -> "Priors":
        """Count the references of `examples`; a prefix counts from `min_count` questions on."""
        by_type: defaultdict[str, Counter[str]] = defaultdict(Counter)
        by_prefix: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for example in examples:
            if (answer := reference(example)) is not None:
                by_type[example.answer_type or "unknown"][answer] += 1
                words = first_words(example.question)
                for length in range(1, len(words) + 1):
                    by_prefix[" ".join(words[:length])][answer] += 1
        best = {prefix: most_common(count) for prefix, count in by_prefix.items() if count.total() >= min_count}
        priors = cls(
            most_common(sum(by_type.values(), Counter())),
            {kind: most_common(count) for kind, count in by_type.items()},
            {},
        )
        for prefix in sorted(best, key=lambda p: p.count(" ")):  # shorter ones first
            if best[prefix] != priors._after(prefix.split()[:-1]):
                priors.by_prefix[prefix] = best[prefix]
        return priors

    def question_only(self, question: str) -> str:
        """The most common answer to the questions that begin with the same words."""
        return self._after(first_words(question))

    def _after(self, words: list[str]) -> str:
        prefixes = (" ".join(words[:length]) for length in range(len(words), 0, -1))
        return next((self.by_prefix[prefix] for prefix in prefixes if prefix in self.by_prefix), self.majority)


def first_words(question: str) -> list[str]:
    return _WORD.findall(question.lower())[:LONGEST_PREFIX]


def most_common(count: Counter[str]) -> str:
    """Of equally common answers the first in the alphabet, so that the order of the data does not matter."""
    return min(count, key=lambda answer: (-count[answer], answer)) if count else ""


class Judge:
    """Scores answers, and those of the baselines, question by question.

    known: the answers that the model can give, the most common first; None if they are not known. priors: of the
    training split. semantic: compute WUPS, too, which is slower (see `vqa.evaluation.measures.wups`).
    """

    def __init__(self, known: Sequence[str] | None, priors: Priors | None, semantic: bool = False):
        self.known: Mapping[str, int] | None = None if known is None else {a: place for place, a in enumerate(known)}
        self.priors = priors
        self.semantic = semantic

    def guesses(self, answered: Answered) -> dict[str, str]:
        """The answer of the model and of each baseline."""
        guesses = {
            "model": answered.prediction,
            "blind_head": answered.blind,
            "image_only": answered.image_only,
        }
        if self.priors is not None:
            guesses["majority"] = self.priors.majority
            guesses["question_prefix"] = self.priors.question_only(answered.example.question)
            kind = answered.example.answer_type or "unknown"
            guesses["type_prior"] = self.priors.by_type.get(kind, self.priors.majority)
        return {guess: answer for guess, answer in guesses.items() if answer is not None}

    def scores(self, answered: Answered, truth: str | None) -> dict[str, Any]:
        """By metric the score in 0-1 of each guess; None where there is no reference or, for official, fewer than ten
        answers; where it differs, also the official score of the model with `normalize_all` (see `vqa_accuracy`).
        truth: the reference, normalised."""
        if truth is None:
            return {"exact": None, "official": None}
        example, raw = answered.example, self.guesses(answered)
        guesses = {guess: normalize_answer(answer) for guess, answer in raw.items()}
        scores: dict[str, Any] = {"exact": {guess: int(answer == truth) for guess, answer in guesses.items()}}
        if self.known is not None:
            scores["exact"]["upper_bound"] = int(truth in self.known)
        if self.semantic:
            given = example.answer if example.answer is not None else truth
            for level in WUPS:
                scores[f"wups_{level}"] = {guess: round(wups(a, given, level), 6) for guess, a in raw.items()}
        scores["official"] = None
        if len(example.answers) >= OFFICIAL:
            worth = given_accuracies(example.answers)
            scores["official"] = {guess: worth.get(answer, 0.0) for guess, answer in guesses.items()}
            if len(worth) == 1:  # answers that all agree are compared as they are
                normalized = vqa_accuracy(answered.prediction, example.answers, normalize_all=True) / 100
                if normalized != scores["official"]["model"]:
                    scores["official_normalized"] = normalized
            if self.known is not None:
                possible = {answer for answer in map(normalize_answer, example.answers) if answer in self.known}
                scores["official"]["upper_bound"] = max((worth.get(answer, 0.0) for answer in possible), default=0.0)
        return scores

    def record(self, answered: Answered) -> Record:
        """The line of a question in `records.jsonl`: question, answers and scores."""
        example, truth = answered.example, reference(answered.example) or None
        attention, glimpses = answered.attention, answered.glimpses
        return {
            "index": answered.index,
            "question_id": question_name(answered.index, example),
            "image": example.image,
            "photo": os.path.basename(example.image),  # three times as fast as pathlib
            "question": example.question,
            "reference": truth,
            "answers": list(example.answers),
            "answer_type": example.answer_type or "unknown",
            "question_type": example.question_type or "unknown",
            "source": example.source or "unknown",
            "rank": None if truth is None or self.known is None else rank(truth, self.known),
            "prediction": answered.prediction,
            "confidence": None if answered.confidence is None else round(answered.confidence, 6),
            "sure": answered.sure,
            "photo_mattered": None if answered.photo_mattered is None else round(answered.photo_mattered, 6),
            "top": [[answer, round(p, 6)] for answer, p in answered.top],
            "blind": answered.blind,
            "image_only": answered.image_only,
            "swapped": answered.swapped,
            "attention": None if attention is None else base64.b64encode(attention.tobytes()).decode(),
            "grid": None if attention is None else list(attention.shape),
            "glimpses": None if glimpses is None else base64.b64encode(glimpses.tobytes()).decode(),
            **self.scores(answered, truth),
        }


def attention_of(record: Mapping[str, Any]) -> np.ndarray | None:
    """The attention map `(h, w)` of a record, bytes; None if it has none that can be read."""
    try:
        cells = np.frombuffer(base64.b64decode(record["attention"], validate=True), np.uint8)
        return cells.reshape(record["grid"]) if len(record["grid"]) == 2 and cells.size else None
    except (KeyError, TypeError, ValueError):
        return None


def glimpses_of(record: Mapping[str, Any]) -> np.ndarray:
    """The attention maps `(G, h, w)` of the glimpses of a record, bytes; G is 0 if it has none that can be read."""
    height, width = record["grid"]
    try:
        return np.frombuffer(base64.b64decode(record["glimpses"], validate=True), np.uint8).reshape(-1, height, width)
    except (KeyError, TypeError, ValueError):
        return np.empty((0, height, width), np.uint8)


def length(question: str) -> str:
    """The class of a question by its number of words."""
    words = len(question.split())
    return next((name for most, name in LENGTHS.items() if words <= most), "10+ words")


def rank(answer: str, known: Mapping[str, int]) -> str:
    """How common an answer was in training, by its place in the model's list, which has the most common ones first."""
    place = known.get(answer)
    if place is None:
        return "not in the list"
    return next((name for end, name in RANKS.items() if place < end), "1001+")
