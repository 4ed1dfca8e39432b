"""CIDEr-D against the COCO evaluation code, and the F-mean by hand."""

import pytest

from train.captions.reward import Cider, f_mean

TEXTS = [
    ["a dog runs on the grass", "a brown dog runs", "the dog is on grass"],
    ["two men ride a brown horse on the grass", "men on a horse", "two men and a horse"],
    ["a red car on the road", "the car is red", "a red car"],
    ["a cat sleeps in the sun here on the red grass", "a cat in the sun", "the cat sleeps"],
]
WRITTEN = ["a dog runs on the grass", "two men ride a a a horse", "zebra", "the cat is red and the cat sleeps"]


def test_the_scores_are_those_of_the_coco_evaluation() -> None:
    scorer = pytest.importorskip("pycocoevalcap.cider.cider_scorer").CiderScorer()
    numbers: dict[str, int] = {}

    def encode(text: str) -> list[int]:
        return [numbers.setdefault(word, len(numbers)) for word in text.split()]

    for written, references in zip(WRITTEN, TEXTS, strict=True):
        scorer += (written, references)
    expected = scorer.compute_score()[1]
    references = [[encode(text) for text in own] for own in TEXTS]
    cider = Cider(references)
    for text, own, score in zip(WRITTEN, references, expected, strict=True):
        assert cider.scores([encode(text)] * 2, own) == [pytest.approx(score)] * 2
    assert expected[0] > expected[1] > expected[2] == 0


def test_the_f_mean_counts_words_once_and_weighs_recall() -> None:
    assert f_mean([1, 2, 2], [1, 2, 3, 4]) == pytest.approx((2 / 3 * 1 / 2) / (0.85 * 2 / 3 + 0.15 * 1 / 2))
    assert f_mean([1, 1], [1, 1]) == 1 and f_mean([1], [2]) == 0
    assert f_mean([1, 2, 3, 4], [1, 2]) > f_mean([1, 2], [1, 2, 3, 4])
