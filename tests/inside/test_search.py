"""The search for units: its scores are those of a naive loop, and it finds what was planted, but nothing in noise."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.refusal import refusal
from vqa.inside.cells import read_question, states
from vqa.inside.questions import made_up_questions
from vqa.inside.search import Search, scores, search_letters, search_questions
from vqa.language.character_model import CharacterModel
from vqa.language.characters import Characters
from vqa.language.complete import Completer
from vqa.model.recurrent import Recurrent
from vqa.predict import VQA

NOUNS = ("red dog", "cat", "blue cup", "thing", "green car", "one", "black hat", "man")
PLACES = ("here", "on it", "up", "over there", "left", "to the right")
TEXTS = [f"what {noun} is {place}?" for noun in NOUNS for place in PLACES]
WORDS = [text.strip("?").split() for text in TEXTS]
STEPS = sum(map(len, WORDS))


def naive_auc(values: np.ndarray, inside: np.ndarray) -> float:
    """Every pair of a step inside and one outside."""
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in values[inside] for b in values[~inside]]
    return sum(wins) / len(wins)


def test_scores_are_those_of_a_naive_loop() -> None:
    draw = np.random.default_rng(0)
    values = draw.integers(0, 5, (40, 6)).astype(np.float64)  # with many ties
    values[:, 5] = 1.0
    a, b, c = draw.random(40) < 0.3, draw.random(40), draw.integers(0, 3, 40)
    found = scores(torch.from_numpy(values), {"a": a, "b": b, "c": c, "never": np.zeros(40, bool)}).numpy()
    for u, own in enumerate(values.T):
        r = [np.corrcoef(own, numbers)[0, 1] if u < 5 else 0.0 for numbers in (b, c)]
        assert found[u] == pytest.approx([2 * naive_auc(own, a) - 1, *r, np.nan], abs=1e-10, nan_ok=True)


def planted(feature: str, unit: int, sign: float) -> Search:
    """Noise, and one cell of the second layer that follows a feature nearly always."""
    draw = torch.Generator().manual_seed(0)
    layers = [{name: torch.randn(STEPS, 20, generator=draw) for name in ("h", "c")} for _ in range(2)]
    truth = torch.from_numpy(Search(TEXTS, WORDS, False, layers).features[feature].astype(np.float32))
    layers[1]["c"][:, unit] = sign * truth + 0.05 * torch.randn(STEPS, generator=draw)
    return Search(TEXTS, WORDS, False, layers)


@pytest.mark.parametrize(("feature", "sign"), [("colour word", 1.0), ("last word", -1.0), ("position", -1.0)])
def test_a_planted_unit_is_found(feature: str, sign: float) -> None:
    best, second = planted(feature, 7, sign).best(feature, 2)
    assert best[:4] == (1, "c", 7, sign > 0)
    assert best.chosen > 0.99 and best.score > 0.99 and second.chosen < 0.9


def test_in_noise_the_best_unit_is_no_better_than_chance_on_the_other_half() -> None:
    draw = torch.Generator().manual_seed(1)
    layers = [{"h": torch.randn(STEPS, 2000, generator=draw)}]
    found = Search(TEXTS, WORDS, False, layers).best("colour word", 20)
    assert min(unit.chosen for unit in found) > 0.65  # of so many some look good
    assert abs(np.mean([unit.score for unit in found]) - 0.5) < 0.1


def test_halves_are_apart_and_examples_are_of_the_half_that_scores() -> None:
    search = planted("colour word", 3, 1.0)
    assert search.held.sum() == len(TEXTS) // 2
    for text, truth in search.examples("colour word", 3):
        assert search.held[TEXTS.index(text)]
        (colour,) = (word for word, flag in zip(text.strip("?").split(), truth, strict=True) if flag)
        assert colour in ("red", "blue", "green", "black")
    seeds = [Search(TEXTS, WORDS, False, [{"h": torch.zeros(STEPS, 1)}], seed).held.tolist() for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_many_texts_are_read_as_each_by_itself(cell: str) -> None:
    core = Recurrent(cell, 3, 4, 2).double()
    x, lengths = torch.randn(3, 5, 3, dtype=torch.float64), torch.tensor([2, 5, 1])
    found = states(core, x, lengths)
    for k, layer in enumerate(found):
        assert sorted(layer) == (["c", "h"] if cell == "lstm" else ["h"])
        for name, values in layer.items():
            alone = [core.readable(x[i : i + 1, :n])[1][k][name][0] for i, n in enumerate(lengths)]
            torch.testing.assert_close(values, torch.cat(alone), atol=1e-10, rtol=0)


def test_the_question_encoder_is_searched_as_it_is_read(tiny_checkpoint: Path) -> None:
    vqa = VQA.load(tiny_checkpoint, "cpu", "float32")
    search = search_questions(vqa, [*TEXTS, TEXTS[0]])
    assert search.texts == TEXTS and len(search.places) == 2 * 16
    best = search.best("position", 1)[0]
    held = [read_question(vqa, text).unit(*best[:3]) for text, half in zip(TEXTS, search.held, strict=True) if half]
    r = np.corrcoef(np.concatenate(held), [place for values in held for place in range(len(values))])[0, 1]
    assert best.score == pytest.approx(r if best.follows else -r, abs=1e-5)


@pytest.fixture
def completer() -> Completer:
    torch.manual_seed(0)
    characters = Characters.build(TEXTS)
    return Completer(CharacterModel(characters.size, layers=2, hidden=5, embedding=4), characters, lines=True)


def test_the_character_model_is_searched_as_it_is_read_if_it_can_be(completer: Completer) -> None:
    search = search_letters(completer, TEXTS)
    assert len(search.places) == 2 * 2 * 5 and search.starts[-1] == sum(map(len, TEXTS))
    best = search.best("vowel", 1)[0]
    held = [text for text, half in zip(TEXTS, search.held, strict=True) if half]
    values = np.concatenate([completer.read(text).unit(*best[:3]) for text in held])
    auc = naive_auc(values, np.isin(list("".join(held)), list("aeiou")))
    assert best.score == pytest.approx(auc if best.follows else 1 - auc, abs=1e-5)
    assert "no feature 'joy'; choose one of colour word, " in refusal(search.best, "joy")
    assert "'after 'how many'' is the same at every step" in refusal(search.best, "after 'how many'")
    few = refusal(search_letters, completer, ["Why?", "why?"])
    assert "There are 1 different texts; a search needs 10" in few
    assert "The text is empty" in refusal(search_letters, completer, [*TEXTS, ""])


def test_made_up_questions_have_the_given_beginnings(completer: Completer) -> None:
    found = made_up_questions(completer, each=1)
    assert found == made_up_questions(completer, each=1) and len(found) == len(set(found)) > 50
    assert any(text.startswith("is the red ") for text in found)
