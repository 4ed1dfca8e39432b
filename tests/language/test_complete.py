"""Completions: the likeliest ways to finish a line, found as an exhaustive search would find them."""

import itertools
import math
from pathlib import Path

import pytest
import torch

from tests.data.refusal import refusal
from vqa.checkpoint.auxiliary import save_bundle
from vqa.language.character_model import CharacterModel
from vqa.language.characters import END, Characters
from vqa.language.complete import KIND, Completer


@pytest.fixture
def tiny() -> Completer:
    """Two characters and an end; random, and so far from certain."""
    torch.manual_seed(3)
    characters = Characters(["a", "b"])
    return Completer(CharacterModel(characters.size, layers=1, hidden=6, embedding=4), characters, lines=True)


def chances(model: Completer, text: str) -> dict[int, float]:
    """The probability of each next character and of the end, read from the start."""
    written = [END, *model.characters.encode("ab")]
    with torch.no_grad():
        logits = model.net(torch.tensor([[END, *model.characters.encode(text)]]))[0][0, -1]
    return dict(zip(written, logits[written].softmax(0).tolist(), strict=True))


def probability(model: Completer, prefix: str, rest: str) -> float:
    """Of writing `rest` and the end after the prefix."""
    wanted = [*model.characters.encode(rest), END]
    return math.prod(chances(model, prefix + rest[:i])[character] for i, character in enumerate(wanted))


@pytest.mark.parametrize("prefix", ["", "a", "ab", "ba "])
def test_the_best_completions_are_those_of_trying_all(tiny: Completer, prefix: str) -> None:
    every = ["".join(letters) for n in range(7) for letters in itertools.product("ab", repeat=n)]
    wanted = sorted(((probability(tiny, prefix, rest), prefix + rest) for rest in every), reverse=True)[:3]
    found = tiny.complete(prefix, beam=200, most=8)
    assert [completion.text for completion in found] == [text for _, text in wanted]
    assert [completion.probability for completion in found] == pytest.approx([p for p, _ in wanted], rel=1e-4)


def test_completions_begin_with_what_was_typed(tiny: Completer) -> None:
    found = tiny.complete("  A  b", top=2)
    assert len(found) == 2 and all(completion.text.startswith("a b") for completion in found)
    assert found[0].probability >= found[1].probability > 0
    assert all(c.text.startswith("a ") for c in tiny.complete("a "))
    assert tiny.complete("a?x中", top=1)  # characters that it never learned


def test_samples_are_seeded_and_at_temperature_0_the_likeliest(tiny: Completer) -> None:
    drawn = {tiny.sample("a", 1.0, seed) for seed in range(20)}
    assert len(drawn) > 3 and tiny.sample("a", 1.0, 5) == tiny.sample("a", 1.0, 5)
    greedy = tiny.sample("a", 0.0, most=6)
    assert greedy == tiny.sample("a", 1e-3, seed=9, most=6)
    written, best = "a", 0
    while len(written) < 7 and best != END:
        best = max(following := chances(tiny, written), key=following.__getitem__)
        written += tiny.characters.decode([best])
    assert greedy == written


def test_reading_names_every_character(tiny: Completer) -> None:
    reading = tiny.read("abx")
    assert reading.tokens == ("a", "b", "x") and reading.traces[0]["c"].shape == (3, 6)


def test_invalid_input_is_reported(tiny: Completer) -> None:
    assert "The text is empty" in refusal(tiny.read, "")
    assert "has 301 characters; at most 300" in refusal(tiny.complete, "a" * 301)
    for text in ("Где кот?", "这是", "\U0001f600", " ? "):
        assert "The model knows none of the characters in" in refusal(tiny.complete, text)
    for act in (tiny.complete, tiny.sample, tiny.read):
        assert "bytes that are not UTF-8" in refusal(act, "a\udcff")
    assert "The temperature is -1" in refusal(tiny.sample, "a", -1)
    plain = Completer(tiny.net, tiny.characters, lines=False)
    assert "use sample instead" in refusal(plain.complete, "a")
    assert "nothing to continue" in refusal(plain.sample, "")
    assert len(plain.sample("a", most=9)) == 10  # no end


def test_it_is_saved_and_loaded(tiny: Completer, tmp_path: Path) -> None:
    config = {"cell": "lstm", "layers": 1, "hidden": 6, "embedding": 4, "lines": True, "characters": ["a", "b"]}
    save_bundle(tmp_path / "m", KIND, config, tiny.net)
    assert Completer.load(tmp_path / "m").complete("a")[0].text == tiny.complete("a")[0].text
