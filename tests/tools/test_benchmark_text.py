"""The benchmark compares models that compute the same function."""

import re
import time

import pytest
import torch

from tools import benchmark_text
from tools.benchmark_text import LETTERS, Encoder, PlainCharacters, ratio
from vqa.language.character_model import CharacterModel


def test_both_encoders_are_the_same_function() -> None:
    ours, plain = Encoder(True), Encoder(False)
    ours.load_state_dict({name.replace("core.", "core.core."): value for name, value in plain.state_dict().items()})
    lengths = torch.tensor([3, 5, 1])
    ids = torch.randint(1, 9, (3, 5))
    for mine, theirs in zip(ours(ids, lengths), plain(ids, lengths), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_both_character_models_are_the_same_function() -> None:
    ours, plain = CharacterModel(LETTERS, layers=2), PlainCharacters()
    named = {re.sub("^core", "recurrent.core", name): value for name, value in plain.state_dict().items()}
    ours.load_state_dict(named)
    ids = torch.randint(4, LETTERS, (2, 8))
    torch.testing.assert_close(ours.loss(ids)[0], plain.loss(ids, torch.tensor([7, 7])))
    h = c = torch.rand(2, 2, 256)
    torch.testing.assert_close(ours(ids[:, :1], (h, c))[0], plain.step(ids[:, :1], (h, c)))


def test_the_ratio_compares_medians_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], list[str]()
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(benchmark_text, "SECONDS", 0.0)

    def step(name: str, seconds: float) -> None:
        calls.append(name)
        clock[0] += seconds

    assert ratio(lambda: step("ours", 1.0), lambda: step("plain", 3.0), calls=2) == pytest.approx(3.0)
    assert calls[:8] == ["ours"] * 2 + ["plain"] * 4 + ["ours"] * 2 and len(calls) == 4 * (benchmark_text.ROUNDS + 1)
