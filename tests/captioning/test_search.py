"""Greedy, beam and drawn captions."""

import itertools
from collections.abc import Sequence

import pytest
import torch

from tests.data.refusal import refusal
from vqa.captioning.captioner import Captioner
from vqa.captioning.search import allowed, beam_search, sample
from vqa.captioning.words import END, PAD, SPECIAL, START, UNKNOWN
from vqa.language.decoding import nucleus


@pytest.fixture
def net() -> Captioner:
    torch.manual_seed(2)
    made = Captioner(7, 10, "soft", hidden=6, embedding=5, context=4, keys=3).eval()
    with torch.no_grad():
        made.embedding.weight.mul_(4)
    return made


GRIDS = torch.randn(12, 9, 10, generator=torch.Generator().manual_seed(5))


def chances(net: Captioner, grid: torch.Tensor, ids: list[int]) -> torch.Tensor:
    """Log-probabilities `(T + 1, V)` of each next word, read from the start; no caption ends before its first word."""
    with torch.no_grad():
        logits = net(grid[None], torch.tensor([[[START, *ids]]])).logits[0, 0]
    return torch.cat((allowed(logits[:1], first=True), allowed(logits[1:])))


def scored(net: Captioner, grid: torch.Tensor, ids: list[int]) -> float:
    """The log-probability of a caption."""
    return float(chances(net, grid, ids[:-1])[range(len(ids)), ids].sum())


def test_beam_1_is_greedy(net: Captioner) -> None:
    found = beam_search(net, GRIDS, 1, most=6)
    for grid, row, maps in zip(GRIDS, found.ids[:, 0].tolist(), found.attention[:, 0], strict=True):
        ids: list[int] = []
        while END not in ids:
            ids.append(int(chances(net, grid, ids)[-1].argmax()) if len(ids) < 6 else END)
        assert row == ids + [PAD] * (len(row) - len(ids))
        with torch.no_grad():
            written = net(grid[None], torch.tensor([[[START, *ids[:-1]]]]))
        torch.testing.assert_close(maps[: len(ids)], written.used[0, 0])


@pytest.mark.parametrize("beam", [2, 3, 5])
def test_more_beams_are_never_worse_and_scores_are_the_captions(net: Captioner, beam: int) -> None:
    greedy, found = beam_search(net, GRIDS, 1, most=6), beam_search(net, GRIDS, beam, most=6)
    assert (found.total() >= greedy.total() - 1e-5).all()
    assert (found.total() > greedy.total() + 1e-4).any()
    for place, row in enumerate(found.ids[:, 0].tolist()):
        ids = row[: row.index(END) + 1]
        assert set(row[len(ids) :]) <= {PAD} and not {PAD, UNKNOWN, START} & set(ids)
        assert float(found.total()[place]) == pytest.approx(scored(net, GRIDS[place], ids), abs=1e-5)


def test_a_wide_beam_finds_the_best_of_all(net: Captioner) -> None:
    every = [[*ids, END] for n in range(1, 4) for ids in itertools.product((4, 5, 6), repeat=n)]
    found = beam_search(net, GRIDS[:3], 200, most=3)
    for grid, best in zip(GRIDS, found.total()[:, 0].tolist(), strict=False):
        assert best == pytest.approx(max(scored(net, grid, ids) for ids in every), abs=1e-5)


def test_a_word_that_is_to_be_written_once_is(net: Captioner) -> None:
    with torch.no_grad():
        net.bias[END] = -1000

    def most_often(words: Sequence[int], once: Sequence[int]) -> list[int]:
        found = *(beam_search(net, GRIDS, beam, 6, once) for beam in (1, 3)), sample(net, GRIDS, most=6, once=once)
        return [max(row.count(word) for row in part.ids[:, 0].tolist() for word in words) for part in found]

    assert min(most_often([5, 6], [])) > 1
    assert most_often([5, 6], [5, 6]) == [1, 1, 1] and min(most_often([4], [5, 6])) > 1
    assert beam_search(net, GRIDS, 3, once=[4, 5, 6]).total().isfinite().all()


def test_end_ends_after_one_word_at_least(net: Captioner) -> None:
    with torch.no_grad():
        net.bias[END] = 1000
    for found in (beam_search(net, GRIDS, 3), sample(net, GRIDS)):
        assert (found.ids[:, 0, 0] >= SPECIAL).all()
        assert found.ids[:, 0, 1].tolist() == [END] * 12 and not found.ids[:, 0, 2:].any()
    with torch.no_grad():
        net.bias[END] = -1000
    assert beam_search(net, GRIDS, 3, most=4).ids[:, 0, 4].tolist() == [END] * 12


def test_samples_are_seeded_and_narrow_to_greedy(net: Captioner) -> None:
    first, again, other = (sample(net, GRIDS, temperature=9.0, seed=seed, most=6).ids for seed in (1, 1, 2))
    assert torch.equal(first, again) and not (first.shape == other.shape and torch.equal(first, other))
    greedy = beam_search(net, GRIDS, 1, most=6).ids
    assert torch.equal(sample(net, GRIDS, temperature=1e-3, most=6).ids, greedy)
    assert torch.equal(sample(net, GRIDS, top_p=1e-6, most=6).ids, greedy)


def test_the_nucleus_is_the_fewest_words_that_reach_p() -> None:
    chances = torch.tensor([[0.1, 0.5, 0.15, 0.25]])
    torch.testing.assert_close(nucleus(chances, 0.7), torch.tensor([[0, 0.5, 0, 0.25]]))
    torch.testing.assert_close(nucleus(chances, 1.0), chances)


def test_senseless_settings_are_refused(net: Captioner) -> None:
    for wrong in ({"temperature": 0.0}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}):
        assert "give one above 0" in refusal(sample, net, GRIDS, **wrong)
    assert "give 1 or more" in refusal(beam_search, net, GRIDS, 0)
