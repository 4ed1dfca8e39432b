"""The repairer: what it may write, what it copies, which words it leaves alone, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.refusal import refusal
from vqa.checkpoint.auxiliary import save_bundle
from vqa.language.characters import END, PADDING, UNKNOWN, Characters
from vqa.language.repair import KIND, Repairer, keep, keep_known
from vqa.language.repair_model import RepairModel

KNOWN = {"what", "color", "is", "the", "cat", "a"}


def unknown(text: str) -> list[str]:
    return [word for word in text.rstrip("?").split() if word not in KNOWN]


@pytest.fixture
def tiny() -> Repairer:
    torch.manual_seed(4)
    characters = Characters(list("abc ?"))
    return Repairer(RepairModel(characters.size, hidden=6, embedding=5), characters)


@pytest.fixture(scope="module")
def bundled() -> Repairer:
    return Repairer.load()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("whta colr is teh cat", "what color is the cat"),
        ("what color is the cat?", "what color is the cat?"),
        ("how mnay people are in the picure?", "how many people are in the picture?"),
        ("isthe man wearing a hta?", "is the man wearing a hat?"),
        ("  What  Kidn of animal is THIS ", "what kind of animal is this"),
    ],
)
def test_bundled_model_corrects_typos(bundled: Repairer, typed: str, meant: str) -> None:
    found = bundled.repair(typed)
    assert found.text == meant and 0 < found.probability <= 1
    assert found.changed == (found.typed != meant)
    assert found.alignment.shape == (len(found.text), len(found.typed))
    assert found.alignment.sum(1) == pytest.approx(np.ones(len(found.text)), abs=1e-4)


def test_it_looks_where_it_copies_from(bundled: Repairer) -> None:
    """Where nothing is wrong, most letters are written while looking near their own place."""
    found = bundled.repair("is there a dog in the picture?")
    middle = found.alignment @ np.arange(len(found.typed))
    assert np.abs(middle - np.arange(len(found.text))).mean() < 2


def test_many_at_once_are_as_one_at_a_time(bundled: Repairer) -> None:
    texts = ["whta is it?", "how many poeple are there in the picture", "is it?"]
    together = list(bundled.candidates(texts, batch=2))
    assert together == [next(bundled.candidates([text])) for text in texts]


def test_characters_that_it_does_not_know_are_copied(tiny: Repairer, bundled: Repairer) -> None:
    for text in ("a ñ", "ñbb 中 a"):
        typed = tiny.check(text)
        for written in next(tiny.candidates([typed], beam=20)):
            assert set(written) <= set("abc ?") | set(typed)
    a, b = tiny.characters.encode("ab")
    assert tiny._text([b, UNKNOWN, a, END, PADDING], [0, 2, 1, 0, 0], "a ñ") == "bña"  # from where it looked
    with torch.no_grad():  # one that would always write an unknown character, where there is none to copy
        tiny.net.score.bias[UNKNOWN] = 100
    assert UNKNOWN not in tiny.characters.encode(tiny.repair("abc").text)
    assert "ñ" in bundled.repair("what color is the ñ?").text


def test_the_explanation_is_of_the_very_text(tiny: Repairer) -> None:
    found, best = (tiny.explain("ab", text) for text in ("ba", next(tiny.candidates(["ab"], beam=30))[0]))
    assert found.text == "ba" and found.probability <= best.probability < 1
    assert found.to_dict()["changed"] and np.shape(found.to_dict()["alignment"]) == found.alignment.shape == (2, 2)


def test_known_words_stay_as_they_were_typed() -> None:
    assert keep_known("whta colr is teh cat", "what color is the car", unknown) == "what color is the cat"
    assert keep_known("isthe cat", "is the car", unknown) == "is the car"  # not word by word: all of it
    assert keep_known("is the cat", "is a big cat", unknown) == "is the cat"
    assert keep_known("is teh", "is", unknown) == "is"
    assert keep_known("", "", unknown) == ""


def test_words_with_digits_stay(tiny: Repairer, bundled: Repairer) -> None:
    digits = str.isdigit
    assert keep("si 42 teh", "is 4 the", digits, strict=True) == "is 42 the"
    assert keep("isit 42 teh", "is it 4 the", digits, strict=True) == "isit 42 teh"  # where 42 belongs, is not plain
    assert keep("isit 42 teh", "is it 42 the", digits, strict=True) == "is it 42 the"
    assert bundled.repair("what is on teh sgin of 42nd street?").text == "what is on the sign of 42nd street?"


def test_a_suggestion_is_made_only_where_it_helps(bundled: Repairer, monkeypatch: pytest.MonkeyPatch) -> None:
    likeliest = ["whta color is the car?", "what color is the car?"]
    monkeypatch.setattr(bundled, "candidates", lambda typed: iter([likeliest]))
    found = bundled.suggest("whta colr is teh cat?", unknown)
    assert found is not None and found.text == "what color is the cat?"
    assert found.alignment.shape == (len(found.text), len(found.typed))
    assert bundled.suggest("what color is the cat?", unknown) is None  # all words are known
    likeliest[:] = ["is the zzz"]
    assert bundled.suggest("is the xxx", unknown) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The question is empty"),
        (" \n ", "The question is empty"),
        ("a" * 151, "has 151 characters; at most 150"),
        ("какого цвета кот", "in letters that this model never learned"),
        ("猫は何色ですか", "in letters that this model never learned"),
        ("is it \udcff?", "bytes that are not UTF-8"),
        (7, "A question is text, not int"),
    ],
)
def test_invalid_questions_are_reported(bundled: Repairer, text: str, message: str) -> None:
    assert message in refusal(bundled.repair, text)
    assert message in refusal(bundled.suggest, text, unknown)


def test_it_is_saved_and_loaded(tiny: Repairer, tmp_path: Path) -> None:
    config = {"hidden": 6, "embedding": 5, "characters": tiny.characters.to_list()}
    save_bundle(tmp_path / "m", KIND, config, tiny.net)
    assert Repairer.load(tmp_path / "m").repair("a").typed == "a"
