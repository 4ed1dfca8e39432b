"""What the training answers alone say: the floor that any model has to rise above."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vqa.data.examples import Example, reference

WORDS = re.compile(r"[^\W_]+")
LONGEST = 4


@dataclass(frozen=True)
class Priors:
    """The most common answers of the training questions.

    majority: of all questions; by_type: of each answer type; by_prefix: of the questions that begin with up to four
    given words (joined by spaces), kept where it differs from that of the next shorter prefix.
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
            answer = reference(example)
            if answer is None:
                continue
            by_type[example.answer_type or "unknown"][answer] += 1
            for prefix in prefixes(example.question):
                by_prefix[prefix][answer] += 1
        best = {prefix: _first(count) for prefix, count in by_prefix.items() if count.total() >= min_count}
        majority = _first(sum(by_type.values(), Counter()))
        kept: dict[str, str] = {}
        for prefix in sorted(best, key=lambda p: p.count(" ")):  # shorter ones first
            if best[prefix] != Priors(majority, {}, kept).from_words(prefix.split()[:-1]):
                kept[prefix] = best[prefix]
        return cls(majority, {kind: _first(count) for kind, count in by_type.items()}, kept)

    def question_only(self, question: str) -> str:
        """The most common answer to the questions that begin as this one does."""
        return self.from_words(WORDS.findall(question.lower()))

    def from_words(self, words: list[str]) -> str:
        for length in range(min(LONGEST, len(words)), 0, -1):
            if (answer := self.by_prefix.get(" ".join(words[:length]))) is not None:
                return answer
        return self.majority

    def to_dict(self) -> dict[str, Any]:
        return {"majority": self.majority, "by_type": self.by_type, "by_prefix": self.by_prefix}


def prefixes(question: str) -> list[str]:
    """The first word, the first two, … of a question."""
    words = WORDS.findall(question.lower())[:LONGEST]
    return [" ".join(words[:length]) for length in range(1, len(words) + 1)]


def _first(count: Counter[str]) -> str:
    """The most common answer; of equal ones the first in the alphabet, so that the order of the data is no matter."""
    return min(count, key=lambda answer: (-count[answer], answer)) if count else ""
