"""Priors against a count written the long way."""

import re

from hypothesis import given
from hypothesis import strategies as st

from vqa.data.examples import Example
from vqa.evaluation.answers.priors import LONGEST, Priors

WORDS = ["is", "it", "what", "color", "how", "many", "the"]
questions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(lambda words: " ".join(words) + "?")
answers = st.sampled_from(["yes", "no", "2", "red", "dog"])
data = st.lists(st.tuples(questions, answers), min_size=1, max_size=40)


def examples(pairs: list[tuple[str, str]]) -> list[Example]:
    return [Example("p.png", question, answer=answer) for question, answer in pairs]


def most_common(given_answers: list[str]) -> str:
    """Of equally common ones the first in the alphabet."""
    return sorted(set(given_answers), key=lambda answer: (-given_answers.count(answer), answer))[0]


def brute_force(pairs: list[tuple[str, str]], question: str, min_count: int) -> str:
    """Look through all questions that begin with the same four words, then three, two, one."""
    words = re.findall(r"\w+", question.lower())
    for length in range(min(LONGEST, len(words)), 0, -1):
        begin = words[:length]
        alike = [a for q, a in pairs if re.findall(r"\w+", q.lower())[:length] == begin]
        if len(alike) >= min_count:
            return most_common(alike)
    return most_common([answer for _, answer in pairs])


@given(pairs=data, asked=questions, min_count=st.integers(1, 3))
def test_question_only_is_the_brute_force_count(pairs: list[tuple[str, str]], asked: str, min_count: int) -> None:
    priors = Priors.count(examples(pairs), min_count)
    for question in (asked, *(question for question, _ in pairs)):
        assert priors.question_only(question) == brute_force(pairs, question, min_count)


@given(pairs=data)
def test_majority_and_types(pairs: list[tuple[str, str]]) -> None:
    priors = Priors.count(examples(pairs))
    assert priors.majority == most_common([answer for _, answer in pairs])
    kinds = {"yes": "yes/no", "no": "yes/no", "2": "number", "red": "other", "dog": "other"}
    for kind in set(kinds.values()):
        of_kind = [answer for _, answer in pairs if kinds[answer] == kind]
        assert priors.by_type.get(kind) == (most_common(of_kind) if of_kind else None)


@given(pairs=data)
def test_the_order_of_the_data_is_no_matter_and_a_file_keeps_them(pairs: list[tuple[str, str]]) -> None:
    priors = Priors.count(examples(pairs))
    assert Priors.count(examples(pairs[::-1])) == priors
    assert Priors(**priors.to_dict()) == priors


def test_what_the_shorter_prefix_says_is_not_kept_twice() -> None:
    pairs = [("is it red", "yes")] * 5 + [("is it blue", "no")] * 3 + [("what is it", "dog")] * 2
    assert Priors.count(examples(pairs), min_count=2).by_prefix == {"is it blue": "no", "what": "dog"}


def test_references_are_normalised_and_unknown_ones_left_out() -> None:
    rows = [
        Example("p", "how many?", answers=("two", "2", "three")),
        Example("p", "how many?", answer="Two."),
        Example("p", "how many?"),
    ]
    assert Priors.count(rows) == Priors("2", {"number": "2"}, {})


def test_no_answers_at_all() -> None:
    assert Priors.count([]).question_only("what is it?") == ""
