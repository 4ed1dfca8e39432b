"""The scores, against values worked out by hand."""

import importlib.util
import math
import os
import shutil
from functools import cache

import pytest

from vqa.captioning.scores import Unscored, score_captions


@pytest.fixture
def tools() -> None:
    if shutil.which("java") is None or importlib.util.find_spec("pycocoevalcap") is None:
        message = "needs Java and pycocoevalcap"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def test_scores_by_hand_and_of_perfect_captions(tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from pycocoevalcap.meteor import meteor

    monkeypatch.setattr(meteor, "Meteor", cache(meteor.Meteor))  # its Java machine starts once for both
    # Three of four words, in both, and one of three pairs; 8 words in all against 6 + 4.
    scores = score_captions(
        ["A dog runs fast .", "a red ball flies"], [["a dog runs on the grass"], ["a red balloon flies"]]
    )
    unigrams, bigrams = 6 / 8, (2 + 1) / 6
    penalty = math.exp(1 - 10 / 8)
    assert scores["brevity penalty"] == pytest.approx(100 * penalty, abs=0.01)
    assert scores["BLEU-1 without penalty"] == pytest.approx(100 * unigrams, abs=0.01)
    assert scores["BLEU-1"] == pytest.approx(100 * unigrams * penalty, abs=0.01)
    assert scores["BLEU-2 without penalty"] == pytest.approx(100 * math.sqrt(unigrams * bigrams), abs=0.01)

    references = [["two dogs play in the snow"], ["a man rides a wave", "someone surfs"], ["a child eats red cake"]]
    perfect = score_captions([texts[0] for texts in references], references)
    assert perfect["BLEU-4"] == pytest.approx(100, abs=0.01) == perfect["BLEU-4 without penalty"]
    assert perfect["METEOR"] > 90 > scores["METEOR"] + 30 and perfect["CIDEr"] > scores["CIDEr"] + 100


def test_missing_tools_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Unscored, match="Java"):
        score_captions(["a"], [["a"]])
    with pytest.raises(ValueError, match="references"):
        score_captions(["a"], [])
