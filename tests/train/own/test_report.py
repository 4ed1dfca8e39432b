"""What `vqa train` says at its end."""

import pytest

from train.own.report import per_doubling, sentences, worst


def test_the_worst_answers_are_those_missed_most_often() -> None:
    pairs = [("red", "blue")] * 3 + [("red", "red"), ("cat", "dog"), ("cat", "dog"), ("two", "two"), ("red", "green")]
    records = [{"reference": reference, "prediction": prediction} for reference, prediction in pairs]
    assert worst(records) == [
        {"answer": "red", "n": 5, "right": 1, "instead": "blue"},
        {"answer": "cat", "n": 2, "right": 0, "instead": "dog"},
    ]


def test_the_slope_of_the_learning_curve() -> None:
    curve = [{"photos": n, "exact": exact} for n, exact in ((50, 10.0), (100, 13.0), (200, 16.0))]
    assert per_doubling(curve) == pytest.approx(3)
    assert per_doubling(curve[:1]) is None


def said(upper_bound: float = 90.0, **changes: object) -> str:
    learning = {"folds": 3, "photos": 250, "refit": True, "photo_helps": True}
    learning |= {"curve": [{"photos": 50, "exact": 10.0}, {"photos": 200, "exact": 14.0}], "worst": []}
    content = {"n": 600, "metrics": {"exact": 14.0}, "baselines": {"upper_bound": upper_bound}}
    content |= {"intervals": {"above_question_only": [1.0, 5.0]}, "learning": learning | changes}
    lines = list(sentences(content))
    assert all(line.endswith(".") for line in lines) and lines[-1].startswith("Next: ")
    return " ".join(lines)


def test_how_it_was_measured_and_what_to_do_next() -> None:
    thrice, once = said(), said(folds=1, refit=False, curve=[])
    assert "Measured on 600 questions: 3 times a fifth of the 250 photos" in thrice
    assert "learned from all photos" in thrice and "10.0% with 50, 14.0% with 200" in thrice and "+2.0" in thrice
    assert "questions: a fifth of the 250 photos" in once and "has not learned from the fifth" in once
    assert "The photos do not help" in said(photo_helps=False)
    assert "Next: 40% of the questions have an answer that occurs nowhere else" in said(upper_bound=60.0)
