"""Pointing at boxes against plain loops, and on maps whose aim is known."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.files import write_lines
from vqa.data.boxes import Box
from vqa.evaluation.probes.boxes import MEASURES, PointingAtBoxes
from vqa.model.errors import InputError

GRIDS = [(7, 7), (4, 6), (2, 5)]
QUESTIONS = {"What color is the cat?": {"cat"}, "Is the man near a dog?": {"person", "dog"}, "Is it raining?": set()}


def encoded(maps: np.ndarray) -> str:
    return base64.b64encode(maps.astype(np.uint8).tobytes()).decode()


def record(photo: str, question: str, glimpses: np.ndarray) -> dict[str, Any]:
    """glimpses: `(G, h, w)` bytes."""
    mean = glimpses.mean(0).round()
    maps = {"attention": encoded(mean), "grid": list(mean.shape), "glimpses": encoded(glimpses)}
    return {"photo": photo, "question_id": 3, "question": question, **maps}


def write(path: Path, objects: dict[str, list[Box]]) -> Path:
    return write_lines(path, ({"image": name, "objects": boxes} for name, boxes in objects.items()))


def measured(records: list[dict[str, Any]], boxes: Path) -> dict[str, Any]:
    ((name, figures),) = PointingAtBoxes(records, boxes).run()
    assert name == "grounding/boxes"
    return figures


def means(row: dict[str, Any]) -> dict[str, Any]:
    return {measure: [row[measure][name] for name in ("attention", "middle", "even")] for measure in MEASURES}


@pytest.fixture(params=GRIDS, ids=str)
def drawn(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[dict[str, Any]], dict[str, list[Box]], Path]:
    """Records with random maps of three glimpses, some of whose peaks tie, and random boxes of three kinds."""
    generator, objects, records = np.random.default_rng(1), {}, []
    for photo in range(12):
        name = f"{photo}.webp"
        corners, sizes = generator.random((5, 2)) * 0.6, generator.random((5, 2)) * 0.4
        kinds = generator.choice(["cat", "dog", "person"], 5)
        objects[name] = [Box(str(k), *c, *s) for k, c, s in zip(kinds, corners.tolist(), sizes.tolist(), strict=True)]
        records += [record(name, question, generator.integers(0, 9, (3, *request.param))) for question in QUESTIONS]
    return records, objects, write(tmp_path / "boxes.jsonl", objects)


def loop(records: list[dict[str, Any]], objects: dict[str, list[Box]], draw: Callable[[Any], list]) -> dict[str, float]:
    """The measures of the maps that `draw` makes, as nested lists, cell by cell."""
    totals, n = dict.fromkeys(MEASURES, 0.0), 0
    for one in records:
        boxes = [box for box in objects[one["photo"]] if box.kind in QUESTIONS[one["question"]]]
        if not boxes:
            continue
        weights, n = draw(one), n + 1
        rows, columns = one["grid"]
        highest, whole = max(max(row) for row in weights), sum(sum(row) for row in weights)
        hits, hits_grown, peaks, mass = 0, 0, 0, 0.0
        for i in range(rows):
            for j in range(columns):
                x, y = (j + 0.5) / columns, (i + 0.5) / rows
                inside = inside_grown = False
                for _, left, top, width, height in boxes:
                    of_centre = (int((top + height / 2) * rows), int((left + width / 2) * columns)) == (i, j)
                    inside |= of_centre or (left <= x <= left + width and top <= y <= top + height)
                    wide = left - 0.5 / columns <= x <= left + width + 0.5 / columns
                    high = top - 0.5 / rows <= y <= top + height + 0.5 / rows
                    inside_grown |= of_centre or (wide and high)
                if weights[i][j] == highest:
                    peaks, hits, hits_grown = peaks + 1, hits + inside, hits_grown + inside_grown
                mass += weights[i][j] * inside
        totals["peak_grown"] += hits_grown / peaks
        totals["peak"] += hits / peaks
        totals["mass"] += mass / whole
    return {name: 100 * total / n for name, total in totals.items()}


def central(one: dict[str, Any]) -> list[list[int]]:
    rows, columns = one["grid"]
    chosen = [{(count - 1) // 2, count // 2} for count in (rows, columns)]
    return [[int(i in chosen[0] and j in chosen[1]) for j in range(columns)] for i in range(rows)]


def decoded(one: dict[str, Any], entry: str, number: int = 0) -> list[list[int]]:
    values, (rows, columns) = list(base64.b64decode(one[entry])), one["grid"]
    start = number * rows * columns
    return [values[start + i * columns : start + (i + 1) * columns] for i in range(rows)]


def test_figures_are_those_of_a_loop(drawn: tuple) -> None:
    records, objects, path = drawn
    found = measured(records, path)
    middle_of = loop(records, objects, central)
    even = loop(records, objects, lambda one: [[1] * one["grid"][1]] * one["grid"][0])
    maps = [lambda one: decoded(one, "attention"), *(lambda one, g=g: decoded(one, "glimpses", g) for g in range(3))]
    assert len(found["glimpses"]) == 3
    for row, draw in zip([found, *found["glimpses"]], maps, strict=True):
        expected = loop(records, objects, draw)
        for measure, (attention, *others) in means(row).items():
            assert attention == pytest.approx(expected[measure], abs=0.006)
            assert others == pytest.approx([middle_of[measure], even[measure]], abs=0.006)
            figures = row[measure]
            assert figures["above_middle"] == pytest.approx(expected[measure] - middle_of[measure], abs=0.006)
            for name, between in (("attention", "interval"), ("above_middle", "above_middle_interval")):
                low, high = figures[between]
                assert low < figures[name] < high
    assert 0 < found["n"] < len(records) and found["n"] + found["left_out"] == len(records)


def test_attention_in_the_box_is_above_the_middle(tmp_path: Path) -> None:
    corner = Box("cat", 0.0, 0.0, 0.2, 0.2)
    boxes = write(tmp_path / "boxes.jsonl", {f"{i}.webp": [corner] for i in range(4)})
    good, poor = np.zeros((7, 7)), np.zeros((7, 7))
    good[0, 0], poor[6, 6] = 255, 255
    found = measured([record(f"{i}.webp", "Where is the cat?", np.stack([good, poor])) for i in range(4)], boxes)
    first, second = found["glimpses"]
    even = {"peak_grown": 400 / 49, "peak": 100 / 49, "mass": 100 / 49}
    assert means(first) == {name: [100, 0, pytest.approx(share, abs=0.01)] for name, share in even.items()}
    assert first["mass"]["above_middle_interval"] == [100, 100]
    assert [second[name]["attention"] for name in MEASURES] == [0, 0, 0]
    assert found["mass"]["attention"] == found["peak"]["attention"] == 50  # of the mean, whose two peaks are equal


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    plain = {"image": "a.webp", "objects": [Box("cat", 0, 0, 1, 1)]}
    boxes = write_lines(tmp_path / "boxes.jsonl", [plain, plain | {"image": "cropped.webp", "aligned": False}])
    asked = [("a.webp", "Is the cat big?"), ("a.webp", "Is the dog big?"), ("a.webp", "Is it day?")]
    asked += [("cropped.webp", "Is the cat big?"), ("elsewhere.webp", "Is the cat big?")]
    records = [record(*pair, np.ones((1, 3, 3))) for pair in asked]
    found = measured(records, boxes)
    assert (found["n"], found["left_out"], found["unknown"]) == (1, 4, 1)
    nothing = measured(records[1:], boxes)
    row = dict.fromkeys(("attention", "interval", "middle", "even", "above_middle", "above_middle_interval"))
    assert nothing == {"n": 0, "left_out": 4, "unknown": 1, **dict.fromkeys(MEASURES, row), "glimpses": []}


def test_records_without_maps(tmp_path: Path) -> None:
    boxes = write(tmp_path / "boxes.jsonl", {"a.webp": [Box("cat", 0, 0, 1, 1)]})
    good = record("a.webp", "Is the cat big?", np.ones((2, 3, 3)))
    for change in ({"glimpses": None}, {"glimpses": "!"}, {"glimpses": encoded(np.ones(4))}):
        found = measured([good, good | change], boxes)
        assert found["glimpses"] == [] and found["peak"]["attention"] == 100
    without = {key: value for key, value in good.items() if key != "glimpses"}
    assert measured([without], boxes)["glimpses"] == []
    with pytest.raises(InputError, match="Question 3 has no attention map"):
        measured([good | {"attention": None, "grid": None}], boxes)
