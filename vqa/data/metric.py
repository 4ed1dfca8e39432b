"""The official accuracy of visual question answering, with its own rules of normalisation.

Source: Antol et al., "VQA: Visual Question Answering", ICCV 2015, section 5, and the evaluation code
that its authors publish (GT-Vision-Lab/VQA, `vqaEval.py`), whose results this module gives to the
last digit, oddities included.

Where the ten human answers differ, a prediction that m of them gave scores min(n / 3, 1) averaged over
the ten sets that leave one answer out. m of these sets lack one of the m matching answers (n = m - 1),
the other 10 - m lack none (n = m):

    score(m) = (m min((m - 1) / 3, 1) + (10 - m) min(m / 3, 1)) / 10
             = 0, .3, .6, .9, 1, 1, ...       for m = 0, 1, 2, 3, 4, 5, ...
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol, TypedDict

from vqa.model.errors import InputError

_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"none": "0"}
_ARTICLES = frozenset({"a", "an", "the"})
_PUNCTUATION = tuple(';/[]"{}()=+\\_-><@`,?!')
_CONTRACTED = """
    'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've
    hasn't haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't
    mightn't've must've mustn't needn't not've o'clock oughtn't shan't she'd've should've shouldn't
    shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's
    something'd something'd've something'll that's there'd there'd've there're there's they'd they'd've
    they'll they're they've wasn't we'd've we've weren't what'll what're what's what've when's where'd
    where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't
    wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
""".split()  # noqa: SIM905 (a list of sixty quoted words is no easier to read)
# The official table maps each of these from every spelling that lacks one of its apostrophes
# ("yall'll", "y'allll" -> "y'all'll"), and takes the apostrophe out of one word by mistake.
_CONTRACTIONS = {
    word[:at] + word[at + 1 :]: word for word in _CONTRACTED for at, character in enumerate(word) if character == "'"
} | {"somebody'd": "somebodyd"}

_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
# Officially `(?!<=\d)(\.)(?!\d)`: the first group was meant to look behind, but asks whether "<=" and a
# digit stand where the period does, and so never forbids anything.
_PERIOD = re.compile(r"\.(?!\d)")
_MOST_PERIODS = int(re.UNICODE)  # The official call passes this flag (32) in the place of `count`.


def _clean(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _strip_punctuation(text: str) -> str:
    """Each mark becomes nothing where it touches a space anywhere in the text, else a space."""
    has_digit_comma = _DIGIT_COMMA_DIGIT.search(text) is not None
    stripped = text
    for mark in _PUNCTUATION:
        if mark in text:
            touches_space = mark + " " in text or " " + mark in text
            stripped = stripped.replace(mark, "" if touches_space or has_digit_comma else " ")
    return _PERIOD.sub("", stripped, count=_MOST_PERIODS)


@lru_cache(maxsize=1 << 17)  # Answers repeat: the 600,000 of a large run are some 10,000 distinct ones.
def normalize_answer(text: str) -> str:
    """Rewrites an answer as the official metric does before it compares.

    Line breaks and tabs become spaces; punctuation and periods go; letters become small; "none" to "ten"
    become digits; articles go; missing apostrophes return ("dont" to "don't"); spaces become single.

    >>> normalize_answer("The two  dogs.")
    '2 dogs'
    """
    words = (_NUMBER_WORDS.get(word, word) for word in _strip_punctuation(_clean(text)).lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def _fraction(prediction: str, answers: Sequence[str]) -> float:
    """The official accuracy of one prediction, 0 to 1, summed in the official order."""
    if not answers:
        raise InputError("A question without human answers cannot be scored: give its answers or leave it out.")
    prediction, given = _clean(prediction), [_clean(answer) for answer in answers]
    if len(set(given)) > 1:  # Answers that all agree are officially compared as they stand.
        prediction, given = normalize_answer(prediction), [normalize_answer(answer) for answer in given]
    matches = given.count(prediction)
    return sum(min(1.0, (matches - (answer == prediction)) / 3) for answer in given) / len(given)


def vqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """The official accuracy of one prediction, in percent: 0, 30, 60, 90 or 100 with ten answers.

    Args:
        prediction: the answer given, as text.
        answers: what people answered. The rules are made for ten; with fewer than four even an answer
            that all gave stays below 100.

    Raises:
        InputError: `answers` is empty.
    """
    return round(100 * _fraction(prediction, answers), 2)


def soft_scores(answers: Sequence[str]) -> dict[str, float]:
    """Training targets: each distinct normalised answer and its score in (0, 1], in order of appearance.

    With four answers or more this is the leave-one-out score above: .3, .6, .9 or 1 for ten. With fewer,
    which could never reach 1, it is divided by the score of an answer that all gave, and so comes to the
    share of the people who gave it.
    """
    n = len(answers)

    def score(m: int) -> float:
        if n < 4:
            return m / n
        # Thirds are summed as whole numbers, so that .3 is 0.3 and not 0.30000000000000004.
        return (m * min(m - 1, 3) + (n - m) * min(m, 3)) / (3 * n)

    return {answer: score(m) for answer, m in Counter(map(normalize_answer, answers)).items()}


class Judged(Protocol):
    """What the official totals need to know of a question; `vqa.data.Example` has it."""

    @property
    def answers(self) -> Sequence[str]: ...
    @property
    def question_type(self) -> str | None: ...
    @property
    def answer_type(self) -> str | None: ...


class OfficialAccuracy(TypedDict):
    """The totals under the official names, in percent, rounded to two digits."""

    overall: float
    perQuestionType: dict[str, float]
    perAnswerType: dict[str, float]


def official_accuracy(pairs: Iterable[tuple[str, Judged]]) -> OfficialAccuracy:
    """Totals of the official metric over pairs of a prediction and its question.

    A question whose type is not known counts under the type "unknown".

    Raises:
        InputError: there is no pair, or a question has no human answers.
    """
    overall: list[float] = []
    by_question_type: defaultdict[str, list[float]] = defaultdict(list)
    by_answer_type: defaultdict[str, list[float]] = defaultdict(list)
    for prediction, question in pairs:
        fraction = _fraction(prediction, question.answers)
        overall.append(fraction)
        by_question_type[question.question_type or "unknown"].append(fraction)
        by_answer_type[question.answer_type or "unknown"].append(fraction)
    if not overall:
        raise InputError("There is nothing to score: give at least one prediction with its question.")

    def percent(fractions: list[float]) -> float:
        return round(100 * sum(fractions) / len(fractions), 2)

    return {
        "overall": percent(overall),
        "perQuestionType": {name: percent(scores) for name, scores in by_question_type.items()},
        "perAnswerType": {name: percent(scores) for name, scores in by_answer_type.items()},
    }
