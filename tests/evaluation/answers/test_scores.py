"""What is kept of a question, and its scores."""

from typing import Any

import numpy as np
import pytest

from vqa.data.examples import Example
from vqa.data.metric import vqa_accuracy
from vqa.evaluation.answers.predictions import Answered
from vqa.evaluation.answers.priors import Priors
from vqa.evaluation.answers.scores import Judge, best_official, length, rank

PRIORS = Priors("yes", {"yes/no": "no", "other": "red"}, {"what": "dog"})
TEN = ("red",) * 3 + ("The pink",) * 3 + ("orange",) * 4


def record(example: Example, prediction: str = "red", priors: Priors | None = PRIORS, **more: Any) -> dict[str, Any]:
    judge = Judge(["yes", "no", "red", "dog"], priors)
    return judge.record(Answered(7, example, prediction, 0.5, (("red", 0.5),), "yes", "dog", **more))


def test_a_record_says_what_was_asked_answered_and_known() -> None:
    shown = np.array([[0, 255], [51, 1]], np.uint8)
    example = Example("photos/a.jpg", "What color is it?", answers=TEN, question_type="what color", source="s")
    made = record(example, attention=shown, swapped="dog")
    scores = {name: made.pop(name) for name in ("exact", "official")}
    assert made == {
        "index": 7,
        "question_id": 7,
        "image": "photos/a.jpg",
        "photo": "a.jpg",
        "question": "What color is it?",
        "reference": "orange",
        "answers": list(TEN),
        "answer_type": "other",
        "question_type": "what color",
        "source": "s",
        "rank": "not in the list",
        "prediction": "red",
        "confidence": 0.5,
        "top": [["red", 0.5]],
        "blind": "yes",
        "image_only": "dog",
        "swapped": "dog",
        "attention": "AP8zAQ==",
        "grid": [2, 2],
    }
    none = {"blind_head": 0, "image_only": 0, "majority": 0, "question_prefix": 0}
    assert scores["exact"] == none | {"model": 0, "type_prior": 0, "upper_bound": 0}
    assert scores["official"] == none | {"model": 0.9, "type_prior": 0.9, "upper_bound": 0.9}


def test_answers_are_normalised_before_they_are_compared() -> None:
    assert record(Example("a", "Is it?", answer="Two dogs."), "The 2 dogs")["exact"]["model"] == 1
    assert record(Example("a", "Is it?", answer="No!"))["exact"]["type_prior"] == 1


@pytest.mark.parametrize("answers", [(), ("red",) * 9])
def test_fewer_than_ten_answers_have_no_official_score(answers: tuple[str, ...]) -> None:
    made = record(Example("a", "What?", "red", answers))
    assert (made["official"], made["exact"]["model"]) == (None, 1)


@pytest.mark.parametrize("example", [Example("a", "What?"), Example("a", "What?", ""), Example("a", "What?", "the")])
def test_a_question_without_a_known_answer_has_no_score(example: Example) -> None:
    made = record(example)
    assert (made["exact"], made["official"], made["reference"], made["rank"]) == (None, None, None, None)


def test_without_a_model_and_its_priors_there_is_the_prediction_alone() -> None:
    made = Judge(None, None).record(Answered(0, Example("a", "What?", answers=TEN), "orange"))
    assert (made["exact"], made["official"]) == ({"model": 1}, {"model": 1.0})
    assert (made["confidence"], made["attention"], made["grid"], made["rank"]) == (None, None, None, None)


def test_the_best_possible_answer_is_found_by_trying_all() -> None:
    generator = np.random.default_rng(0)
    known = {answer: place for place, answer in enumerate(["red", "dog", "2", "yes"])}
    for _ in range(50):
        given = tuple(generator.choice(["red", "Dog.", "two", "blue", "the red"], 10))
        best = max(vqa_accuracy(answer, given) for answer in known) / 100
        assert best_official(Example("p", "q", answers=given), known) == best


@pytest.mark.parametrize(
    ("question", "expected"),
    [("a b c d", "1-4 words"), ("a b c d e", "5-6 words"), ("a " * 7, "7-9 words"), ("a " * 10, "10+ words")],
)
def test_lengths(question: str, expected: str) -> None:
    assert length(question) == expected


@pytest.mark.parametrize(("place", "expected"), [(0, "1-10"), (9, "1-10"), (10, "11-100"), (1000, "1001+")])
def test_ranks(place: int, expected: str) -> None:
    assert rank("dog", {"dog": place}) == expected
    assert rank("cat", {"dog": place}) == "not in the list"
