"""The pointing game against boxes that are painted on pixels, and on maps whose aim is known."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.files import read, read_lines
from vqa.data.world import write_world
from vqa.evaluation.probes.pointing import Box, PointingGame, WorldQuestion, pointing, read_scenes
from vqa.model.errors import InputError


def hits_by_pixels(boxes: list[Box], size: int, grid: tuple[int, int]) -> np.ndarray:
    """Which cells hit, by painting each box on a canvas so fine that every edge and centre falls on a whole pixel."""
    height, width = grid
    canvas = np.zeros((2 * height * size, 2 * width * size), bool)
    for x0, y0, x1, y1 in boxes:
        rows = slice(max(0, y0 * 2 * height - 2 * size), y1 * 2 * height + 2 * size)
        canvas[rows, max(0, x0 * 2 * width - 2 * size) : x1 * 2 * width + 2 * size] = True
    centres = canvas[size :: 2 * size, size :: 2 * size]
    assert centres.shape == grid
    return centres


@pytest.mark.parametrize("grid, size", [((7, 7), 16), ((4, 4), 16), ((3, 5), 12), ((1, 1), 8)])
def test_hits_are_those_on_painted_pixels(grid: tuple[int, int], size: int) -> None:
    generator = np.random.default_rng(0)
    for count in (1, 2, 3):
        boxes = []
        for x, y, width, height in generator.integers(0, size // 2, (count, 4)).tolist():
            boxes.append((x, y, x + 1 + width // 2, y + 1 + height // 2))
        inside = hits_by_pixels(boxes, size, grid)
        cells = [(i, j) for i in range(grid[0]) for j in range(grid[1])]
        found = [pointing([cell], boxes, size, grid) for cell in cells]
        assert [hit for hit, _ in found] == [float(inside[cell]) for cell in cells]
        assert {uniform for _, uniform in found} == {inside.mean()}
        assert pointing(cells, boxes, size, grid) == (inside.mean(), inside.mean())


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "world"
    write_world(folder, n_scenes=60, seed=4, workers=1)
    return folder / "scenes.json"


def record(photo: str, number: int, weights: np.ndarray) -> dict[str, Any]:
    shown = base64.b64encode(weights.astype(np.uint8).tobytes()).decode()
    return {"photo": photo, "question_id": number, "attention": shown, "grid": list(weights.shape)}


def pointing_game(*arguments: Any) -> dict[str, Any]:
    ((name, figures),) = PointingGame(*arguments).run()
    assert name == "grounding/pointing"
    return figures


def game(scenes: Path, draw: Any) -> dict[str, Any]:
    records = [record(*key, draw(asked)) for key, asked in read_scenes(scenes).items()]
    return pointing_game(records, scenes)


def test_the_scenes_are_those_that_were_written(scenes: Path) -> None:
    world = read_scenes(scenes)
    assert len(world) == 480
    rows = read_lines(scenes.parent / "questions.jsonl")
    assert [(row["image"], row["question_id"]) for row in rows] == list(world)
    scene = read(scenes)[7]
    question = scene["questions"][2]
    boxes = [tuple(scene["shapes"][i]["box"]) for i in question["asked"]]
    assert world[scene["image"], question["question_id"]] == WorldQuestion(boxes, 64, question["relational"])


def test_a_map_that_points_perfectly_always_hits(scenes: Path) -> None:
    def point(asked: WorldQuestion) -> np.ndarray:
        weights = np.zeros((7, 7))
        if asked.boxes:
            x0, y0, x1, y1 = asked.boxes[-1]
            weights[int((y0 + y1) / 2 * 7 / asked.size), int((x0 + x1) / 2 * 7 / asked.size)] = 255
        return weights

    found = game(scenes, point)
    world = read_scenes(scenes).values()
    assert (found["hit"], found["interval"]) == (100, [100, 100])
    assert found["relational"]["hit"] == found["plain"]["hit"] == 100
    assert found["left_out"] == sum(not asked.boxes for asked in world) > 0
    assert found["n"] == found["relational"]["n"] + found["plain"]["n"] == len(world) - found["left_out"]
    assert found["relational"]["n"] == sum(asked.relational and bool(asked.boxes) for asked in world)
    assert 15 < found["uniform"] < 60


def test_chance_hits_as_often_as_the_uniform_share(scenes: Path) -> None:
    generator = np.random.default_rng(0)
    found = game(scenes, lambda asked: generator.permutation(49).reshape(7, 7))
    assert found["hit"] == pytest.approx(found["uniform"], abs=6)  # a spread of 2
    low, high = found["interval"]
    assert low < found["uniform"] < high
    even = game(scenes, lambda asked: np.full((7, 7), 255))
    assert even["hit"] == even["uniform"] == found["uniform"]


def test_no_question_gives_no_figures(scenes: Path) -> None:
    nothing = {"n": 0, "hit": None, "uniform": None}
    expected = nothing | {"interval": None, "left_out": 0, "relational": nothing, "plain": nothing}
    assert pointing_game([], scenes) == expected


def test_broken_and_missing_scenes_are_reported(tmp_path: Path, scenes: Path) -> None:
    path, scene = tmp_path / "scenes.json", read(scenes)[0]
    scene["questions"][0]["asked"] = [99]  # a shape that does not exist
    for content in ("", "3", "[1]", '{"a": 1}', '[{"image": "0.png"}]', "[" * 100_000, "\ud800", json.dumps([scene])):
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
        with pytest.raises(InputError, match=r"is not a list of scenes; name the scenes\.json"):
            read_scenes(path)
    with pytest.raises(InputError, match=r"cannot be read .*; name the scenes\.json of a world"):
        read_scenes(tmp_path / "none.json")


def test_records_without_a_map_or_of_other_data_are_reported(scenes: Path) -> None:
    key = next(key for key, asked in read_scenes(scenes).items() if asked.boxes)
    good = record(*key, np.ones((7, 7)))
    for change in ({"attention": None}, {"grid": None}, {"grid": [7, 6]}, {"attention": "!"}, {"attention": ""}):
        with pytest.raises(InputError, match=f"Question {key[1]} has no attention map"):
            pointing_game([good | change], scenes)
    with pytest.raises(InputError, match=r"Question 3 about cat\.jpg is not in"):
        pointing_game([good | {"photo": "cat.jpg", "question_id": 3}], scenes)
