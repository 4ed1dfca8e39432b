"""What the report's gallery shows, and that its pictures fit."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vqa.evaluation.report import gallery as module
from vqa.evaluation.report.gallery import REASONS, STEPS, Gallery, entry, heat, pictures, surprises


def record(index: int = 0, right: bool = True, **more: Any) -> dict[str, Any]:
    exact = {"model": int(right), "blind_head": 0}
    plain = {"index": index, "photo": f"{index % 7}.jpg", "image": f"x/{index % 7}.jpg", "question": "what?"}
    said = {"reference": "cat", "prediction": "cat" if right else "dog", "confidence": 0.5, "exact": exact}
    return plain | said | more


def test_all_are_kept_in_order_where_there_is_room() -> None:
    rows = [record(i) for i in range(20)] + [record(99, exact=None)]
    gallery = Gallery.draw(rows, 20)
    assert (len(gallery.entries), gallery.n, gallery.pairs) == (20, 20, {("cat", "cat"): 20})
    assert [short["p"] for short in gallery.entries] == [i % 7 for i in range(20)]
    assert list(gallery.photos) == [(f"{i}.jpg", f"x/{i}.jpg") for i in range(7)]


def test_more_are_a_seeded_sample_in_order() -> None:
    advanced: list[int] = []
    rows = [record(i, question=str(i)) for i in range(200)]
    gallery = Gallery.draw(rows, 50, seed=3, advance=advanced.append)
    places = [int(short["q"]) for short in gallery.entries]
    assert places == sorted(set(places)) and len(places) == 50
    assert (gallery.n, sum(advanced)) == (200, 150)
    assert Gallery.draw(rows, 50, seed=3).entries == gallery.entries
    assert Gallery.draw(rows, 50, seed=4).entries != gallery.entries
    drawn = [int(short["q"]) for seed in range(200) for short in Gallery.draw(rows, 10, seed).entries]
    assert np.mean(drawn) == pytest.approx(99.5, abs=5)  # each alike: standard error 1.3


@pytest.mark.parametrize(
    ("right", "more", "expected"),
    [
        (True, {}, []),
        (False, {}, []),
        (False, {"confidence": 0.7}, [0]),
        (True, {"confidence": 0.7}, []),
        (False, {"exact": {"model": 0, "blind_head": 1}}, [1]),
        (False, {"official": {"model": 0.9}}, [2]),
        (True, {"confidence": 0.3}, [3]),
        (True, {"swapped": "cat"}, [4]),
        (True, {"swapped": "cat", "exact": {"model": 1, "blind_head": 1}}, []),
        (True, {"swapped": "dog"}, []),
        (False, {"confidence": None}, []),
    ],
)
def test_what_is_surprising(right: bool, more: dict[str, Any], expected: list[int]) -> None:
    assert surprises(record(0, right, **more)) == expected
    assert max(expected, default=0) < len(REASONS)


def test_a_card_is_short_and_says_what_is_not_sure_and_what_is_a_guess() -> None:
    short = entry(record(question="q" * 400, prediction="p" * 90, confidence=float("nan")))
    assert (len(short["q"]), len(short["a"]), short["c"]) == (300, 80, None)
    told = [(True, 0.5), (False, None), (True, 0.0)]
    shorts = [entry(record(sure=sure, photo_mattered=mattered)) for sure, mattered in told]
    shorts.append(entry(record()))  # of an earlier version
    assert [short["u"] for short in shorts] == [False, True, False, False]
    assert [short["g"] for short in shorts] == [False, False, True, False]


def test_the_heat_keeps_the_map() -> None:
    cells = base64.b64encode(bytes(range(12))).decode()
    assert heat({"attention": cells, "grid": [3, 4]}) == {"g": [3, 4], "h": cells}
    found = heat({"attention": base64.b64encode(bytes([9] * 800)).decode(), "grid": [40, 20]})
    assert found["g"] == [16, 16] and set(base64.b64decode(found["h"])) == {9}
    for broken in ({}, {"attention": None, "grid": None}, {"attention": "AA==", "grid": [2, 2]}, {"attention": "?"}):
        assert heat(broken) == {}


@pytest.fixture(scope="module")
def photos(noise_photos: Callable[..., list[str]]) -> list[str]:
    """Noise, which hardly compresses."""
    return noise_photos(12, 400, 300)


def test_pictures_are_as_large_as_fits(photos: list[str]) -> None:
    advanced: list[int] = []
    made = pictures(photos, 10_000_000, advanced.append)
    assert (made.unreadable, made.left_out, advanced) == (0, 0, list(range(12)))
    for found in made.of:
        assert found is not None and found[1:] == (STEPS[0][0], STEPS[0][0] * 3 // 4)
        with Image.open(io.BytesIO(base64.b64decode(found[0]))) as image:
            assert (image.format, image.size) == ("WEBP", found[1:])


@pytest.mark.parametrize("budget", [200_000, 60_000, 15_000, 1_000])
def test_no_budget_is_passed(photos: list[str], budget: int, tmp_path: Path) -> None:
    advanced: list[int] = []
    made = pictures([*photos, str(tmp_path / "none.png")], budget, advanced.append)
    assert sum(len(found[0]) for found in made.of if found) <= budget
    assert (made.unreadable, advanced) == (1, list(range(13)))
    assert made.of.count(None) == 1 + made.left_out
    assert (made.left_out > 0) == (budget == 1_000)


def test_a_wrong_guess_of_the_size_is_mended(photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "first_step", lambda paths, budget: 0)
    made = pictures(photos, 100_000)
    assert made.left_out == 0 and sum(len(found[0]) for found in made.of if found) <= 100_000
