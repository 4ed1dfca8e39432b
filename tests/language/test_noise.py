"""Typing noise: each kind of typo by its definition and rate, and reproducible by its seed."""

import random
from collections import Counter

import pytest

from vqa.language import noise
from vqa.language.noise import COMMON, NEIGHBOURS, SHARES, SOUNDS, mistype, typo, typo_of

QUESTION = "what color is the umbrella that the woman's friend is holding over the bicycle?"


def draws(kind: str, word: str, count: int = 300) -> set[str]:
    return {typo_of(kind, word, random.Random(seed)) for seed in range(count)}


def test_kinds_of_typos() -> None:
    word = "table"
    inner = range(len(word))
    assert draws("missing", word) == {word[:i] + word[i + 1 :] for i in inner}
    assert draws("double", word) == {word[: i + 1] + word[i:] for i in inner}
    assert draws("swapped", word, 1000) == {"atble", "tbale", "talbe", "tabel"}
    assert draws("wrong", word, 2000) == {word[:i] + key + word[i + 1 :] for i in inner for key in NEIGHBOURS[word[i]]}
    beside = {word[:j] + key + word[j:] for i in inner for key in NEIGHBOURS[word[i]] for j in (i, i + 1)}
    assert draws("extra", word, 3000) == beside
    assert draws("sound", "phone?") >= {"fone?", "phon?"}
    assert draws("sound", "their?") >= {"thier?", "there?"}


@pytest.mark.parametrize("kind", SHARES)
@pytest.mark.parametrize("word", ["", "?", "a", "7", "a?", "中", "don't", "é", "-"])
def test_unusual_words(kind: str, word: str) -> None:
    for seed in range(50):
        typed = typo_of(kind, word, random.Random(seed))
        assert typed or not word
        assert abs(len(typed) - len(word)) <= 1 or word in COMMON


def test_first_letter_is_rarely_affected() -> None:
    generator = random.Random(0)
    typed = [typo("holding", generator) for _ in range(4000)]
    first = sum(not word.startswith("h") for word in typed) / len(typed)
    assert 0.03 < first < 0.13
    assert Counter(len(word) - 7 for word in typed).keys() == {-1, 0, 1}


def test_rate_of_typos_in_longer_words() -> None:
    generator = random.Random(1)
    words = ["holding", "umbrella", "through", "yellow", "kitchen", "picture"]
    for rate, tolerance in ((0.0, 0.0), (0.1, 0.03), (0.4, 0.06)):
        every = [mistype(" ".join(words), generator, rate).split() for _ in range(600)]
        whole = [typed for typed in every if len(typed) == len(words)]  # no space was hit
        changed = [a != b for typed in whole for a, b in zip(words, typed, strict=True)]
        assert sum(changed) / len(changed) == pytest.approx(rate, abs=tolerance)


def test_noise_is_seeded_and_affects_spaces() -> None:
    typed = [mistype(QUESTION, random.Random(seed), 0.3) for seed in range(300)]
    assert typed == [mistype(QUESTION, random.Random(seed), 0.3) for seed in range(300)]
    assert len(set(typed)) > 290
    spaces = Counter(text.count(" ") - QUESTION.count(" ") for text in typed)
    assert spaces[-1] > 30 and spaces[0] > 100  # missing; in place, or a letter late
    assert any("colori s" in text or "i sthe" in text or "th eumb" in text for text in typed)
    assert mistype("", random.Random(0), 1.0) == ""


def test_all_known_misspellings_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    for word, written in COMMON.items():
        assert set(written) <= draws("sound", word), word
    words = "field receive phone truck cat city station zoo night sheep kitten table player cats dog sun pin".split()  # noqa: SIM905
    for pattern, written in SOUNDS:
        assert any(pattern.search(word) for word in [*COMMON, *words]), (pattern, written)
    monkeypatch.setattr(noise, "SECOND", 0.9)
    assert len({typo("umbrella", random.Random(i)) for i in range(50)}) > 20
