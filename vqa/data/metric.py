"""The official accuracy of visual question answering, with its own rules of normalisation.

Source: Antol et al., "VQA: Visual Question Answering", ICCV 2015, section 5, and its authors' evaluation code
(GT-Vision-Lab/VQA, `vqaEval.py`), which this module reproduces to the last digit, oddities included.

If the ten human answers differ, a prediction that matches m of them scores min(n / 3, 1) averaged over
the ten sets that leave one answer out. m of these sets lack one of the m matching answers (n = m - 1),
the other 10 - m lack none (n = m):

    score(m) = (m min((m - 1) / 3, 1) + (10 - m) min(m / 3, 1)) / 10
             = 0, .3, .6, .9, 1, 1, ...       for m = 0, 1, 2, 3, 4, 5, ...
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from vqa.model.errors import InputError

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_DIGITS)} | {"none": "0"}
_ARTICLES = frozenset({"a", "an", "the"})
_PUNCTUATION = tuple(';/[]"{}()=+\\_-><@`,?!')
_CONTRACTED = """
    'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
    haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've
    mustn't needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll
    somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
    there'd've there're there's they'd they'd've they'll they're they've wasn't we'd've we've weren't what'll what're
    what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
    would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
""".split()  # noqa: SIM905 (a list of sixty quoted words is no easier to read)
# The official table maps each of these from every spelling that lacks one of its apostrophes
# ("yall'll", "y'allll" -> "y'all'll"), and takes the apostrophe out of one word by mistake.
_CONTRACTIONS = {
    word[:at] + word[at + 1 :]: word for word in _CONTRACTED for at, character in enumerate(word) if character == "'"
} | {"somebody'd": "somebodyd"}

# Officially `(?!<=\d)(\.)(?!\d)`: the first group, meant as a lookbehind, is a lookahead that never fails.
_PERIOD = re.compile(r"\.(?!\d)")
_MOST_PERIODS = int(re.UNICODE)  # The official call passes this flag (32) as `count`.


def _clean(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _strip_punctuation(text: str) -> str:
    """Replaces each mark by a space, or by nothing if it touches a space anywhere or a comma separates digits."""
    has_digit_comma = re.search(r"\d,\d", text) is not None
    stripped = text
    for mark in _PUNCTUATION:
        is_removed = has_digit_comma or mark + " " in text or " " + mark in text
        stripped = stripped.replace(mark, "" if is_removed else " ")
    return _PERIOD.sub("", stripped, count=_MOST_PERIODS)


@lru_cache(maxsize=1 << 17)  # the 600,000 answers of a large run are some 10,000 distinct ones
def normalize_answer(text: str) -> str:
    """Normalises an answer as the official metric does before comparing.

    Line breaks and tabs become spaces; punctuation and articles are removed; letters become lower case; "none" to
    "ten" become digits; missing apostrophes are restored ("dont" to "don't"); spaces become single.

    >>> normalize_answer("The two  dogs.")
    '2 dogs'
    """
    words = (_NUMBER_WORDS.get(word, word) for word in _strip_punctuation(_clean(text)).lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def _fraction(prediction: str, answers: Sequence[str], normalize_all: bool = False) -> float:
    """The accuracy of one prediction, 0 to 1, summed in the official order; see `vqa_accuracy`."""
    if not answers:
        raise InputError("A question without human answers cannot be scored: give its answers or leave it out.")
    normal, given = _given(answers, normalize_all)
    prediction = normalize_answer(_clean(prediction)) if normal else _clean(prediction)
    if (matches := given.count(prediction)) == 0:
        return 0.0
    same, other = (min(1.0, others / 3) for others in (matches - 1, matches))
    return sum(same if answer == prediction else other for answer in given) / len(given)


def _given(answers: Sequence[str], normalize_all: bool) -> tuple[bool, list[str]]:
    """Whether answers are to be normalised, and these answers so, or as they are."""
    given = [_clean(answer) for answer in answers]
    normal = normalize_all or len(set(given)) > 1  # officially, answers that all agree are compared as they are
    return normal, [normalize_answer(answer) for answer in given] if normal else given


def vqa_accuracy(prediction: str, answers: Sequence[str], normalize_all: bool = False) -> float:
    """The official accuracy of one prediction, in percent: 0, 30, 60, 90 or 100 with ten answers.

    Args:
        prediction: the predicted answer.
        answers: the human answers, officially ten; with fewer than four even a unanimous answer stays below 100.
        normalize_all: normalise unanimous answers, too, as lmms-eval does since its pull request 794; the official code
            compares these as they are.

    Raises `InputError` if `answers` is empty.
    """
    return round(100 * _fraction(prediction, answers, normalize_all), 2)


def soft_scores(answers: Sequence[str]) -> dict[str, float]:
    """Training targets: each distinct normalised answer and its score in (0, 1], in order of appearance.

    With four answers or more this is the leave-one-out score above: .3, .6, .9 or 1 for ten. With fewer,
    which could never reach 1, it is the fraction of the people who gave the answer.
    """
    n, counts = len(answers), Counter(map(normalize_answer, answers))
    return {answer: m / n for answer, m in counts.items()} if n < 4 else _leave_one_out(counts)


def given_accuracies(answers: Sequence[str]) -> dict[str, float]:
    """The official accuracy of each human answer, as it is compared, in 0-1; that of any other prediction is 0."""
    return _leave_one_out(Counter(_given(answers, False)[1]))


def _leave_one_out(counts: Counter[str]) -> dict[str, float]:
    """score(m) of each answer, with as many people as there are. Thirds are summed as whole numbers, so that .3 is 0.3
    and not 0.30000000000000004."""
    n = counts.total()
    return {answer: (m * min(m - 1, 3) + (n - m) * min(m, 3)) / (3 * n) for answer, m in counts.items()}


def official_accuracy(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Totals of the official metric over pairs of a prediction and its question, in percent. A question is an
    `Example`, or has its fields `answers`, `question_type` and `answer_type`.

    Under the official names `overall`, `perQuestionType` and `perAnswerType`, rounded to two digits; a question without
    a type counts as "unknown". Raises `InputError` if there is no pair, or a question has no human answers.
    """
    overall: list[float] = []
    by_type: tuple[defaultdict[str, list[float]], ...] = (defaultdict(list), defaultdict(list))
    for prediction, question in pairs:
        overall.append(_fraction(prediction, question.answers))
        for group, name in zip(by_type, (question.question_type, question.answer_type), strict=True):
            group[name or "unknown"].append(overall[-1])
    if not overall:
        raise InputError("There is nothing to score: give at least one prediction with its question.")

    def percent(fractions: list[float]) -> float:
        return round(100 * sum(fractions) / len(fractions), 2)

    per_question, per_answer = ({name: percent(scores) for name, scores in group.items()} for group in by_type)
    return {"overall": percent(overall), "perQuestionType": per_question, "perAnswerType": per_answer}
