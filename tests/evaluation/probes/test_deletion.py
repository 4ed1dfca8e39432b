"""Deletion against a plain loop."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vqa.data.examples import Example
from vqa.evaluation.probes.asked_again import generator_for
from vqa.evaluation.probes.deletion import Deletion, attended_corner, covered_at, random_corner, region_size
from vqa.model.errors import InputError
from vqa.predict import VQA

GRID = (7, 7)
QUESTIONS = ("what is on the table?", "what color is the cat?", "how many dogs are there?")


def deletion(*arguments: Any, **options: Any) -> dict[str, Any]:
    ((name, figures),) = Deletion(*arguments, **options).run()
    assert name == "grounding/deletion"
    return figures


@pytest.fixture(scope="module")
def examples(noise_photos: Callable[..., list[str]]) -> list[Example]:
    """Photos of the model's own size, three questions each."""
    generator = np.random.default_rng(0)
    photos = noise_photos(6, side=8)
    return [Example(p, q, str(generator.choice(["yes", "no", "2", "red"]))) for p in photos for q in QUESTIONS]


def test_figures_are_those_of_a_plain_loop(vqa: VQA, examples: list[Example]) -> None:
    grid = vqa.model.grid_size
    size = region_size(grid)
    right: dict[str, list[bool]] = {"kept": [], "attended": [], "random": [], "centre": []}
    sure: dict[str, list[float]] = {name: [] for name in right}
    for example in examples:
        photo = Image.open(example.image)
        kept = vqa.ask(photo, example.question)
        attended = attended_corner(kept.attention.mean(0), size)
        other = random_corner(attended, size, grid, generator_for(5, example))
        middle = ((grid[0] - size[0]) // 2, (grid[1] - size[1]) // 2)
        corners = (("attended", attended), ("random", other), ("centre", middle))
        photos = {"kept": photo} | {name: covered_at(photo, corner, size, grid) for name, corner in corners}
        for name, seen in photos.items():
            answer = vqa.ask(seen, example.question, top=5)
            right[name].append(answer.text == example.answer)
            sure[name].append(dict(answer.top)[kept.text])
    found = deletion(vqa, examples, seed=5)
    for name in right:
        assert found[name]["exact"] == pytest.approx(100 * np.mean(right[name]), abs=0.006)
        assert found[name]["confidence"] == pytest.approx(100 * np.mean(sure[name]), abs=0.006)
        drop = 100 * (np.mean(right["kept"]) - np.mean(right[name]))
        assert name == "kept" or found[f"drop_{name}"] == pytest.approx(drop, abs=0.006)
    for control, prefix in (("random", ""), ("centre", "centre_")):
        for kind, scores in (("", right), ("confidence_", sure)):
            excess = 100 * (np.mean(scores[control]) - np.mean(scores["attended"]))
            assert found[f"{prefix}{kind}excess"] == pytest.approx(excess, abs=0.006)
            low, high = found[f"{prefix}{kind}interval"]
            assert low <= found[f"{prefix}{kind}excess"] <= high
    assert found["confidence_excess"] != 0
    assert found["skipped"] == 0 and found["region"] == list(size)


def test_order_and_batch_do_not_matter_but_the_seed_does(vqa: VQA, examples: list[Example]) -> None:
    advanced: list[int] = []
    first = deletion(vqa, examples, seed=1, advance=advanced.append, batch_size=2)
    assert advanced == [6, 6, 6]
    assert deletion(vqa, examples[::-1], seed=1, batch_size=4) == first
    assert deletion(vqa, examples, seed=2) != first


def test_unreadable_examples_are_counted_and_a_model_without_attention_is_refused(vqa, examples, monkeypatch) -> None:
    bad = [Example("nowhere.png", "what is it?", "yes"), Example(examples[0].image, "  ", "no")]
    found = deletion(vqa, examples + bad)
    assert (found["n"], found["skipped"]) == (18, 2)
    monkeypatch.setattr(vqa.config, "attention", "none")
    with pytest.raises(InputError, match="choose a model with attention"):
        deletion(vqa, examples)


def test_region_is_about_a_fifth_of_the_grid() -> None:
    for height, width in itertools.product(range(1, 15), repeat=2):
        rows, columns = region_size((height, width))
        assert 1 <= rows <= height and 1 <= columns <= width
        # no other number of columns would come nearer
        area = 0.18 * height * width
        assert all(abs(rows * columns - area) <= abs(rows * other - area) + 1e-9 for other in range(1, width + 1))
        if min(height, width) >= 6:
            assert 0.14 < rows * columns / (height * width) < 0.22


def test_attended_region_is_the_placement_nearest_the_peak() -> None:
    assert region_size(GRID) == (3, 3) and region_size((14, 14)) == (6, 6)
    for row, column in itertools.product(range(7), repeat=2):
        attention = np.zeros(GRID)
        attention[row, column] = 1
        distance = {(i, j): (i + 1 - row) ** 2 + (j + 1 - column) ** 2 for i in range(5) for j in range(5)}
        assert attended_corner(attention, (3, 3)) == min(distance, key=distance.__getitem__)


def test_random_region_is_drawn_evenly_from_the_others() -> None:
    generator = np.random.default_rng(0)
    drawn = [random_corner((2, 3), (3, 3), GRID, generator) for _ in range(4800)]
    counts = {corner: drawn.count(corner) for corner in ((i, j) for i in range(5) for j in range(5))}
    assert counts.pop((2, 3)) == 0
    assert len(counts) == 24 and 140 < min(counts.values()) <= max(counts.values()) < 270  # 200 each, spread 14


def test_only_the_region_is_covered() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 70, 3), dtype=np.uint8)
    found = np.asarray(covered_at(Image.fromarray(pixels), (1, 4), (3, 3), GRID))
    pixels[10:40, 40:70] = pixels.reshape(-1, 3).mean(0).round()
    np.testing.assert_array_equal(found, pixels)
