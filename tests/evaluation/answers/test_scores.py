"""The record of a question, its scores, and the priors of the training questions."""

import re
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqa.data.examples import Example
from vqa.data.metric import vqa_accuracy
from vqa.evaluation.answers.scores import LONGEST_PREFIX, Answered, Judge, Priors, length, rank

PRIORS = Priors("yes", {"yes/no": "no", "other": "red"}, {"what": "dog"})
TEN = ("red",) * 3 + ("The pink",) * 3 + ("orange",) * 4


def record(example: Example, prediction: str = "red", priors: Priors | None = PRIORS, **more: Any) -> dict[str, Any]:
    judge = Judge(["yes", "no", "red", "dog"], priors)
    return judge.record(Answered(7, example, prediction, 0.5, (("red", 0.5),), "yes", "dog", **more))


def test_record_holds_question_answers_and_scores() -> None:
    shown = np.array([[0, 255], [51, 1]], np.uint8)
    example = Example("photos/a.jpg", "What color is it?", answers=TEN, question_type="what color", source="s")
    made = record(example, attention=shown, swapped="dog", sure=True, photo_mattered=0.25)
    photo = {"image": "photos/a.jpg", "photo": "a.jpg", "attention": "AP8zAQ==", "grid": [2, 2], "glimpses": None}
    question = {"index": 7, "question_id": 7, "question": "What color is it?", "question_type": "what color"}
    truth = {"reference": "orange", "answers": list(TEN), "answer_type": "other", "rank": "not in the list"}
    said = {"prediction": "red", "confidence": 0.5, "sure": True, "photo_mattered": 0.25, "top": [["red", 0.5]]}
    others = {"source": "s", "blind": "yes", "image_only": "dog", "swapped": "dog"}
    none = {"blind_head": 0, "image_only": 0, "majority": 0, "question_prefix": 0}
    exact = none | {"model": 0, "type_prior": 0, "upper_bound": 0}
    official = none | {"model": 0.9, "type_prior": 0.9, "upper_bound": 0.9}
    assert made == photo | question | truth | said | others | {"exact": exact, "official": official}


def test_fewer_than_ten_answers_have_no_official_score() -> None:
    for answers in ((), ("red",) * 9):
        made = record(Example("a", "What?", "red", answers))
        assert (made["official"], made["exact"]["model"]) == (None, 1)


@pytest.mark.parametrize("answer", [None, "", "the"])
def test_question_without_a_known_answer_has_no_score(answer: str | None) -> None:
    made = record(Example("a", "What?", answer))
    assert (made["exact"], made["official"], made["reference"], made["rank"]) == (None, None, None, None)


def test_submitted_prediction_is_scored_without_baselines() -> None:
    made = Judge(None, None).record(Answered(0, Example("a", "What?", answers=TEN), "orange"))
    assert (made["exact"], made["official"]) == ({"model": 1}, {"model": 1.0})
    assert {made[name] for name in ("confidence", "attention", "grid", "rank")} == {None}


def test_best_official_equals_trying_all_answers() -> None:
    generator = np.random.default_rng(0)
    known = ["red", "dog", "2", "yes"]
    for _ in range(50):
        given_answers = tuple(generator.choice(["red", "Dog.", "two", "blue", "the red"], 10))
        best = max(vqa_accuracy(answer, given_answers) for answer in known) / 100
        made = Judge(known, None).record(Answered(0, Example("p", "q", answers=given_answers), "blue"))["official"]
        assert made == {"model": vqa_accuracy("blue", given_answers) / 100, "upper_bound": best}


def test_classes_of_length_and_rank() -> None:
    assert [length("a " * n) for n in (4, 5, 7, 10)] == ["1-4 words", "5-6 words", "7-9 words", "10+ words"]
    assert [rank("dog", {"dog": n}) for n in (0, 9, 10, 1000)] == ["1-10", "1-10", "11-100", "1001+"]
    assert rank("cat", {"dog": 0}) == "not in the list"


# Priors, against a count written the long way.
WORDS = ["is", "it", "what", "color", "how", "many", "the"]
questions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(lambda words: " ".join(words) + "?")
answers = st.sampled_from(["yes", "no", "2", "red", "dog"])
data = st.lists(st.tuples(questions, answers), min_size=1, max_size=40)


def examples_of(pairs: list[tuple[str, str]]) -> list[Example]:
    return [Example("p.png", question, answer=answer) for question, answer in pairs]


def most_common(given_answers: list[str]) -> str:
    """Of equally common ones the first in the alphabet."""
    return sorted(set(given_answers), key=lambda answer: (-given_answers.count(answer), answer))[0]


def brute_force(pairs: list[tuple[str, str]], question: str, min_count: int) -> str:
    """Look through all questions that begin with the same four words, then three, two, one."""
    words = re.findall(r"\w+", question.lower())
    for count in range(min(LONGEST_PREFIX, len(words)), 0, -1):
        begin = words[:count]
        alike = [a for q, a in pairs if re.findall(r"\w+", q.lower())[:count] == begin]
        if len(alike) >= min_count:
            return most_common(alike)
    return most_common([answer for _, answer in pairs])


@given(pairs=data, asked=questions, min_count=st.integers(1, 3))
def test_priors_equal_a_brute_force_count(pairs: list[tuple[str, str]], asked: str, min_count: int) -> None:
    """They do not depend on the order, and are restored from a file."""
    priors = Priors.count(examples_of(pairs), min_count)
    for question in (asked, *(question for question, _ in pairs)):
        assert priors.question_only(question) == brute_force(pairs, question, min_count)
    assert priors.majority == most_common([answer for _, answer in pairs])
    for kind, possible in {"yes/no": ("yes", "no"), "number": ("2",), "other": ("red", "dog")}.items():
        of_kind = [answer for _, answer in pairs if answer in possible]
        assert priors.by_type.get(kind) == (most_common(of_kind) if of_kind else None)
    assert Priors.count(examples_of(pairs[::-1]), min_count) == Priors(**asdict(priors)) == priors


def test_prefix_is_only_stored_where_it_differs_from_the_shorter_one() -> None:
    pairs = [("is it red", "yes")] * 5 + [("is it blue", "no")] * 3 + [("what is it", "dog")] * 2
    assert Priors.count(examples_of(pairs), min_count=2).by_prefix == {"is it blue": "no", "what": "dog"}


def test_references_are_normalised_and_unknown_ones_left_out() -> None:
    three, one = Example("p", "how many?", answers=("two", "2", "three")), Example("p", "how many?", "Two.")
    assert Priors.count([three, one, Example("p", "how many?")]) == Priors("2", {"number": "2"}, {})
    assert Priors.count([]).question_only("what is it?") == ""
