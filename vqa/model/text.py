"""Questions and answers as text: a question becomes word ids, scores become an `Answer`. Needs no PyTorch."""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MAX_QUESTION_CHARACTERS = 300
YES_NO = ("yes", "no")
KINDS = ("yes/no", "number", "other")
SURE = 1 / 3  # the lowest confidence of an answer that is stated as sure, where training has chosen none
# Below this `photo_mattered` an answer is a guess. Chosen with an earlier bundled model on 6,717 questions that it was
# not trained on, about photos outside validation: below 0.05 (2,100 questions) it answered 45.5% right, its
# question-only head 45.7% (95% interval of the difference -1.8 to +1.4); from 0.05 to 0.1 4.2 points more (1.1 to 7.3).
GUESS = 0.05
UNCALIBRATED: dict[str, float | None] = {
    **{"temperature": 1.0, "temperature_slope": 0.0, "yes_no_temperature": None, "yes_no_temperature_slope": 0.0},
    "blind_temperature": 1.0,
}
PLACES = (
    ("upper left", "top", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "bottom", "lower right"),
)
SCRIPTS = {
    **dict.fromkeys(("HIRAGANA", "KATAKANA"), "Japanese"),
    **{"HANGUL": "Korean", "CJK": "Chinese", "GREEK": "Greek", "HEBREW": "Hebrew", "THAI": "Thai"},
    **{"CYRILLIC": "a language in Cyrillic letters", "ARABIC": "a language in Arabic letters"},
    "DEVANAGARI": "a language in Devanagari letters",
}
# Common words of questions; none of them is an English one, so that one or two of them are clear.
COMMON = {
    "Spanish": """qué que cuál cuántos cuántas cuantos cuantas dónde donde quién está están esta el la los las es son un
        una hay del en y de este esto hombre mujer perro gato""",
    "French": """quel quelle quels quelles est sont ce cet cette que qu combien où le la les un une il elle y des du de
        sur dans fait avec couleur qui""",
    "German": """welche welcher welches wie viele wer wo ist sind das der dem den ein eine einen auf im mit und gibt es
        macht steht farbe""",
    "Italian": """che di quale quanti quante dove chi il lo la gli un una è sono nella nel colore cosa fa questo
        questa""",
    "Portuguese": """que de qual quantos quantas onde quem o os as um uma é há são está tem na no do da cor homem""",
    "Dutch": """wat welke hoeveel waar wie het een er zijn heeft doet op de staat kleur""",
}
_COMMON = {language: frozenset(words.split()) for language, words in COMMON.items()}

_NUMBER = re.compile(r"\d+(\.\d+)?")


def tokenize(tokenizer: "Tokenizer", questions: Sequence[str]) -> "list[Encoding]":
    """The tokens of each question, one a word. Raises `InputError` for a question that cannot be asked."""
    normal = [unicodedata.normalize("NFC", check_question(question)) for question in questions]
    encodings = tokenizer.encode_batch(normal)
    for question, encoding in zip(questions, encodings, strict=True):
        if not encoding.ids:
            raise InputError(f"The question {short(question)} has no words; ask in plain words.")
    return encodings


def pad(encodings: "Iterable[Encoding]") -> tuple[np.ndarray, np.ndarray]:
    """Tokenized questions to `input_ids` and `attention_mask`, each `(B, T)` int64 with T the longest one's words."""
    ids = [encoding.ids for encoding in encodings]
    lengths = np.array([len(row) for row in ids])
    mask = np.arange(lengths.max()) < lengths[:, None]
    input_ids = np.zeros(mask.shape, np.int64)
    input_ids[mask] = [i for row in ids for i in row]
    return input_ids, mask.astype(np.int64)


def words(tokenizer: "Tokenizer", question: str, encoding: "Encoding | None" = None) -> tuple[list[str], list[str]]:
    """The question's words as the model reads them, one a step, and those that are not in its vocabulary.

    encoding: the question's tokens, if `tokenize` has computed them already.
    """
    question = unicodedata.normalize("NFC", question)  # in which an accent is one character with its letter
    encoding = encoding or tokenizer.encode(question)
    every = [question[start:end] for start, end in encoding.offsets]
    unknown = tokenizer.token_to_id(tokenizer.model.unk_token)
    return every, [word for word, i in zip(every, encoding.ids, strict=True) if i == unknown]


def check_known(question: str, every: Sequence[str], unknown: Sequence[str]) -> str:
    """A remark if the model does not know most of a question's words, else ""; the last two are the result of `words`.

    Raises `InputError` if it knows none, or not enough of a question that is clearly in another language.
    """
    if 3 * len(unknown) >= len(every) and (language := language_of(every)):
        known = len(every) - len(unknown)
        raise InputError(
            f"The question {short(question)} is in {language}, and the model knows {known} of its {len(every)} words; "
            "ask in plain English words."
        )
    if len(unknown) == len(every):
        raise InputError(f"The model knows none of the words in {short(question)}; ask in plain English words.")
    if 2 * len(unknown) > len(every):
        return f"the model does not know {len(unknown)} of the {len(every)} words of the question"
    return ""


def language_of(words: Sequence[str]) -> str | None:
    """The language of a question of these words; None for English, and where it is not clear.

    Letters other than Latin decide at once. Otherwise half of the words, and two at least, must be common ones of a
    language, more than of any other; of languages with equally many the first counts.
    """
    names = {unicodedata.name(letter, "?").split()[0] for word in words for letter in word if letter.isalpha()}
    if found := next((language for script, language in SCRIPTS.items() if script in names), None):
        return found
    counts = {name: sum(word.lower() in common for word in words) for name, common in _COMMON.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= max(2, len(words) / 2) else None


def check_question(question: str) -> str:
    """The question itself, or an `InputError` with the reason why it cannot be asked."""
    if not isinstance(question, str):
        raise InputError(f"A question is text, not {type(question).__name__}; ask in plain words.")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InputError(
            f"The question has {len(question):,} characters; at most {MAX_QUESTION_CHARACTERS} can be read, "
            "so ask it more briefly."
        )
    if any("\ud800" <= character <= "\udfff" for character in question):  # bytes that are not UTF-8
        raise InputError(f"The question {short(question)} cannot be read as text; type it again as UTF-8.")
    if not question.strip():
        raise InputError("The question is empty; ask in plain words, such as 'what is on the table?'.")
    return question


def short(text: str) -> str:
    """`text` in quotes, cut for a message."""
    return repr(text if len(text) <= 40 else text[:39] + "…")


def temperature_for(config: Any, answer: str, confidence: float) -> float:
    """The temperature that divides the logits when `answer` is the best (see `VQAConfig`).

    confidence: max softmax(logits), not calibrated.
    """
    own = "yes_no_" if answer in YES_NO and config.yes_no_temperature is not None else ""
    slope = getattr(config, f"{own}temperature_slope")
    return getattr(config, f"{own}temperature") * math.exp(slope * (confidence - 0.5))


def answer_kind(answer: str) -> str:
    """The kind of a normalised answer: 'yes/no', 'number' or 'other'."""
    return "yes/no" if answer in YES_NO else "number" if _NUMBER.fullmatch(answer) else "other"


def is_sure(config: Any, answer: str, confidence: float) -> bool:
    """Whether an answer is stated as sure: its confidence reaches the threshold of its kind (see `VQAConfig`)."""
    return confidence >= config.sure.get(answer_kind(answer), SURE)


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
    photo_mattered: the Jensen-Shannon divergence in bits, 0 to 1, between the calibrated probabilities of all answers
        with and without the photo (Lin 1991); None where `blind` is.
    sure: whether the confidence reaches the threshold of the answer's kind; otherwise the app says 'not sure'.
    glimpse: the index of the glimpse that carried the answer: the best answer's logit falls the most if this glimpse
        sees the mean of the grid instead; None for a model or an exported file that does not compute it.
    seconds: time for `load`, `photo` and `question`.
    note: a remark on a question of which most words are unknown, or on the scores of a foreign model.
    """

    text: str
    confidence: float
    top: list[Score]
    attention: np.ndarray
    words: list[Word]
    unknown_words: list[str]
    blind: Score | None
    photo_mattered: float | None
    sure: bool
    glimpse: int | None
    seconds: dict[str, float]
    model: str
    note: str = ""

    @property
    def guess(self) -> bool:
        """Whether the photo hardly mattered: `photo_mattered` is below `GUESS`."""
        return is_guess(self.photo_mattered)

    def to_dict(self) -> dict[str, Any]:
        """The object that `vqa ask --json` prints; its schema is `vqa/schemas/answer.json`."""
        height, width = self.attention.shape[1:]
        maps = self.attention.reshape(len(self.attention), -1).astype(float).tolist()
        return {
            "answer": self.text,
            "confidence": self.confidence,
            "top": [score._asdict() for score in self.top],
            "blind": None if self.blind is None else self.blind._asdict(),
            "photo_mattered": self.photo_mattered,
            "guess": self.guess,
            "sure": self.sure,
            "glimpse": self.glimpse,
            "words": [word._asdict() for word in self.words],
            "unknown_words": self.unknown_words,
            "attention": {"height": height, "width": width, "maps": maps},
            "seconds": self.seconds,
            "model": self.model,
            "note": self.note,
        }


def is_guess(photo_mattered: float | None) -> bool:
    """Whether an answer is a guess: the photo is known to have hardly mattered (see `GUESS`)."""
    return photo_mattered is not None and photo_mattered < GUESS


def places(attention: np.ndarray) -> str:
    """The peak of each glimpse `(G, h, w)` in words, each place once: 'centre, upper left'."""
    return ", ".join(dict.fromkeys(peak_place(weights) for weights in attention))


def peak_place(weights: np.ndarray) -> str:
    """The peak of one map `(h, w)` in words such as 'upper left'; 'everywhere' for an even map."""
    weights = np.asarray(weights)
    if weights.max() <= weights.mean() * 1.05:
        return "everywhere"
    row, column = (int(3 * (k + 0.5) / n) for k, n in zip(peak(weights), weights.shape, strict=True))
    return PLACES[row][column]


def peak(weights: np.ndarray) -> tuple[int, int]:
    """Row and column of the highest cell of a map `(h, w)`; of equal ones the first."""
    row, column = np.unravel_index(weights.argmax(), weights.shape)
    return int(row), int(column)
