"""Each damage does what it says, and no more."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from vqa.evaluation.probes.damage import PHOTO_DAMAGES, QUESTION_DAMAGES, blurred, paraphrase, says_side, slips, typo


def one_slip_apart(word: str, other: str) -> str:
    """Which slip leads from a word to the other, by looking at lengths and letters alone."""
    if len(other) == len(word) - 1:
        return "missing" if any(word[:i] + word[i + 1 :] == other for i in range(len(word))) else "none"
    if len(other) == len(word) + 1:
        doubled = (i for i in range(1, len(other)) if other[i] == other[i - 1] and other[:i] + other[i + 1 :] == word)
        return "doubled" if next(doubled, None) else "none"
    places = [i for i, (a, b) in enumerate(zip(word, other, strict=True)) if a != b]
    if len(places) == 1:
        return "key"
    swapped = len(places) == 2 and places[1] == places[0] + 1
    return "swapped" if swapped and sorted(word) == sorted(other) else "none"


def test_typo_is_one_slip_in_one_content_word() -> None:
    question = "What color is the man's umbrella, over there by the table?"
    kinds, hit = Counter[str](), Counter[str]()
    for seed in range(600):
        slipped = typo(question, np.random.default_rng(seed))
        assert slipped is not None and slipped == typo(question, np.random.default_rng(seed))
        pairs = [(a, b) for a, b in zip(question.split(), slipped.split(), strict=True) if a != b]
        assert len(pairs) == 1
        word, other = (text.strip(",?") for text in pairs[0])
        assert other[0] == word[0]
        hit[word] += 1
        kinds[one_slip_apart(word, other)] += 1
    assert hit.keys() == {"color", "umbrella", "over", "table"} and min(hit.values()) > 100
    assert kinds.keys() == {"swapped", "missing", "doubled", "key"} and min(kinds.values()) > 100
    assert typo("Where are these?", np.random.default_rng(0)) is None  # no content word


def test_slips_change_the_word_and_hit_neighbouring_keys() -> None:
    assert all(word not in kind for word in ("oooo", "book", "Table") for kind in slips(word))
    assert len(slips("oooo")) == 3  # nothing to swap
    *_, keys = slips("asdf")
    assert "aadf" in keys and "aedf" in keys and "apdf" not in keys


@pytest.mark.parametrize(
    "question, other",
    [
        ("What color is the fire hydrant?", "Which color does the fire hydrant have?"),
        ("what colour are the man's shoes", "Which color do the man's shoes have?"),
        ("How many dogs are there?", "What is the number of dogs?"),
        ("How many dogs are there on the bed?", "What is the number of dogs on the bed?"),
        ("How many people are in the picture?", "What is the number of people in the picture?"),
        ("Is there a clock on the wall?", "Can you see a clock on the wall?"),
        ("Is this an old TV?", "Would you say this is an old TV?"),
        ("What is the man doing?", "What activity is the man doing?"),
        ("What kind of dog is this?", "What type of dog is this?"),
        ("Where is the cat?", "In what place is the cat?"),
        ("what is on the table?", "What can be seen on the table?"),
        ("What room is this?", "Which room is this?"),
        ("How many of the dogs are there?", None),
        ("How many cups are inside the box?", None),
        ("Is there anything red?", None),
        ("", None),
    ],
)
def test_paraphrase_asks_the_same_in_other_words(question: str, other: str | None) -> None:
    assert paraphrase(question) == other


def test_case_and_question_mark() -> None:
    generator = np.random.default_rng(0)
    assert QUESTION_DAMAGES["no question mark and lower case"]("Is this a TV?", generator) == "is this a tv"
    assert QUESTION_DAMAGES["capitals"]("Is this a TV?", generator) == "IS THIS A TV?"


def test_left_and_right_are_recognised() -> None:
    assert all(map(says_side, ("What is to the LEFT?", "Who is on the right?", "the leftmost cup", "his righthand")))
    assert not any(map(says_side, ("Is it bright?", "a leftover", "Is it straight?", "what is up?", "the r\u0131ght")))


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    y, x = np.mgrid[:60, :80]
    pixels = np.stack([2 * x + 40, 3 * y + 20, 120 + 90 * ((x // 5 + y // 5) % 2)], -1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def array(photo: Image.Image) -> np.ndarray:
    return np.asarray(photo).astype(float)


def test_photo_damages(photo: Image.Image) -> None:
    pixels = array(photo)
    damaged = {name: damage(photo) for name, damage in PHOTO_DAMAGES.items()}
    assert {(d.mode, d.size) for d in damaged.values()} == {("RGB", photo.size)}
    np.testing.assert_array_equal(array(photo), pixels)  # the photo itself is unchanged
    found = {name: array(d) for name, d in damaged.items()}
    assert all(np.abs(d - pixels).max() > 5 for d in found.values())
    worse, worst = (np.abs(found[f"jpeg quality {quality}"] - pixels).mean() for quality in (30, 10))
    assert 0 < worse < worst < 40
    np.testing.assert_array_equal(found["mirrored"], pixels[:, ::-1])
    assert (np.ptp(found["grey"], axis=-1) == 0).all()
    np.testing.assert_allclose(found["grey"][..., 0], pixels @ (0.299, 0.587, 0.114), atol=1)
    np.testing.assert_allclose(found["dark"], 0.3 * pixels, atol=0.51)


def test_blur_is_a_gaussian_of_the_given_share() -> None:
    """Its spread, measured on a bright dot, is that share of the width."""
    pixels = np.zeros((201, 201, 3), np.uint8)
    pixels[98:103, 98:103] = 255
    for share in (0.01, 0.03):
        found = array(blurred(Image.fromarray(pixels), share))[..., 0]
        x = np.arange(201) - 100
        variance = (found.sum(0) * x**2).sum() / found.sum() - 2  # a dot five pixels wide has variance 2
        assert np.sqrt(variance) == pytest.approx(201 * share, rel=0.15)
