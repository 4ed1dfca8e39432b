"""Answers that are nearly the same."""

from collections import Counter

import pytest

from train.own.merging import merged, near_equal
from vqa.data.examples import Example


@pytest.mark.parametrize(
    ("rare", "common"),
    [("left kidneys", "left kidney"), ("rug, bed", "bed, rug"), ("x-ray", "xray"), ("diaphram", "diaphragm")],
)
def test_the_rarer_answer_becomes_the_more_common_one(rare: str, common: str) -> None:
    assert near_equal(Counter({common: 9, rare: 1})) == {rare: common}


@pytest.mark.parametrize(
    ("one", "other"),
    [("left kidney", "right kidney"), ("1", "11"), ("red", "bed"), ("glass", "glasses"), ("10000001", "10000002")],
)
def test_other_answers_stay(one: str, other: str) -> None:
    assert near_equal(Counter({one: 9, other: 1})) == {}


def test_a_long_word_of_its_own_is_no_typing_error() -> None:
    assert near_equal(Counter({"inferior": 5, "interior": 4})) == {}


def test_only_single_answers_are_merged() -> None:
    several = Example("a.jpg", "what?", answers=("kidneys",) * 10)
    examples = [Example("a.jpg", "what?", answer="The kidneys"), Example("a.jpg", "what?", answer="spleen"), several]
    assert [e.answer for e in merged(examples, {"kidneys": "kidney"})] == ["kidney", "spleen", None]
