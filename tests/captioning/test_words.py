"""Captions as numbers and back."""

from tests.data.refusal import refusal
from vqa.captioning.words import END, START, UNKNOWN, Words, split


def test_words_are_small_without_punctuation_clitics_apart() -> None:
    assert split("A man's T-shirt isn\u2019t red .") == ["a", "man", "'s", "t-shirt", "is", "n't", "red"]
    assert split(" ... ") == []


def test_numbers_and_back() -> None:
    words = Words.build(["a dog's ball", "a dog is n't here"], min_count=1)
    ids = words.encode("A dog's zebra isn't here")
    assert ids[0] == START and ids[-1] == END and ids.count(UNKNOWN) == 1
    assert words.text(n for n in ids if n > END) == "a dog's isn't here"
    assert len(words.encode("a a a a a a", most=3)) == 5
    assert Words.build(["a a b"], min_count=2).words == ["a"]
    for wrong in ([], ["a", "a"]):
        assert "empty or has a word twice" in refusal(Words, wrong)
