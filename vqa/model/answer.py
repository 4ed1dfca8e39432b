"""An answer: text, confidence, attention, word weights and the answer without the photo."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

YES_NO = ("yes", "no")


def temperature_for(config: Any, answer: str) -> float:
    """The temperature that divides the logits when `answer` is the best (see `VQAConfig`)."""
    own = config.yes_no_temperature if answer in YES_NO else None
    return config.temperature if own is None else own


class Score(NamedTuple):
    """An answer and its probability."""

    answer: str
    score: float


class Word(NamedTuple):
    """A word of the question and its weight; the weights of a question sum to 1."""

    word: str
    weight: float


@dataclass(frozen=True)
class Answer:
    """The answer to a question about a photo, with its explanation.

    text, confidence: the best answer and its calibrated probability; top: the best few.
    attention: `(G, h, w)`, a map for each glimpse, each summing to 1 over the photo.
    words: weights over the question's words; unknown_words: those that are not in the model's vocabulary.
    blind: the answer without the photo; None for a model that cannot be asked without one.
    seconds: time for `load`, `photo` and `question`.
    note: a remark on the scores of a foreign model (see `vqa.foreign`).
    """

    text: str
    confidence: float
    top: list[Score]
    attention: np.ndarray
    words: list[Word]
    unknown_words: list[str]
    blind: Score | None
    seconds: dict[str, float]
    model: str
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The object that `vqa ask --json` prints; its schema is `vqa/schemas/answer.json`."""
        height, width = self.attention.shape[1:]
        maps = self.attention.reshape(len(self.attention), -1).astype(float).tolist()
        return {
            "answer": self.text,
            "confidence": self.confidence,
            "top": [score._asdict() for score in self.top],
            "blind": None if self.blind is None else self.blind._asdict(),
            "words": [word._asdict() for word in self.words],
            "unknown_words": self.unknown_words,
            "attention": {"height": height, "width": width, "maps": maps},
            "seconds": self.seconds,
            "model": self.model,
            "note": self.note,
        }
