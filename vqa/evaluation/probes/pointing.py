"""The pointing game on the generated world: does the attention peak at what the question asks about?"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vqa.evaluation.answers.scores import attention_of
from vqa.evaluation.measures.statistics import interval, percent, resampled_means
from vqa.model.errors import InputError

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, x1 and y1 exclusive
Key = tuple[str, int]  # a photo's name and the question's id


class WorldQuestion(NamedTuple):
    """A question of the world: the boxes of the shapes it asks about, and its picture's width in pixels."""

    boxes: list[Box]
    size: int
    relational: bool


@dataclass(frozen=True)
class PointingGame:
    """The pointing game (Zhang et al. 2016, Top-down Neural Attention by Excitation Backprop).

    records: of an evaluation, with `photo`, `question_id`, `attention` and `grid`; scenes: the world's `scenes.json`.
    """

    records: Iterable[Mapping[str, Any]]
    scenes: str | Path

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """`hit`, the share of the questions whose map peaks at an asked shape, with its 95% `interval` by the bootstrap
        over photos; `uniform`, what a map that peaks anywhere would get; both for `relational` and `plain` questions,
        too. left_out: questions that ask about no shape, such as those for something that is not there. Figures of no
        question are None.

        Raises `InputError` for a record without attention or without a scene, and as `read_scenes`.
        """
        world = read_scenes(self.scenes)
        photos, rows, left_out = [], [], 0
        for record in self.records:
            question = world.get((record["photo"], record["question_id"]))
            if question is None:
                raise InputError(
                    f"Question {record['question_id']} about {record['photo']} is not in {self.scenes}; name the "
                    "scenes.json of the world that was evaluated."
                )
            if not question.boxes:
                left_out += 1
                continue
            attention = required_attention(record)
            peaks = np.argwhere(attention == attention.max()).tolist()
            hit, uniform = pointing(peaks, question.boxes, question.size, attention.shape)
            photos.append(record["photo"])
            rows.append((hit, uniform, question.relational))
        hits, uniforms, relational = np.array(rows, dtype=float).reshape(-1, 3).T

        def figures(chosen: np.ndarray) -> dict[str, Any]:
            return {"n": int(chosen.sum()), "hit": percent(hits[chosen]), "uniform": percent(uniforms[chosen])}

        section = {
            **figures(np.ones(len(rows), bool)),
            "interval": interval(resampled_means({"hit": hits}, photos)["hit"]) if rows else None,
            "left_out": left_out,
            "relational": figures(relational == 1),
            "plain": figures(relational == 0),
        }
        yield "grounding/pointing", section


def required_attention(record: Mapping[str, Any]) -> np.ndarray:
    """The attention map `(h, w)` of a record. Raises `InputError` for a record without one."""
    attention = attention_of(record)
    if attention is None:
        name = record["question_id"]
        raise InputError(f"Question {name} has no attention map; evaluate a model, not a file of its answers.")
    return attention


def pointing(
    peaks: Sequence[Sequence[int]], boxes: Sequence[Box], size: int, grid: Sequence[int]
) -> tuple[float, float]:
    """One question's game: the share of its peaks that hit, and of all cells that would.

    peaks: row and column of the cell with the highest weight, or of several if they tie: one of them is then drawn, so
    to speak, and an even map scores as a uniform one. boxes: in a picture of `size` x `size` pixels. A cell hits if its
    centre lies in a box grown by one cell on every side. grid: its rows and columns.
    """
    height, width = grid
    # Twice the number of cells makes whole numbers of all: edges and centres of cells, and boxes grown by cells.
    rows, columns = ((2 * np.arange(cells) + 1) * size for cells in (height, width))
    inside = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in boxes:
        high = (2 * height * y0 - 2 * size <= rows) & (rows < 2 * height * y1 + 2 * size)
        wide = (2 * width * x0 - 2 * size <= columns) & (columns < 2 * width * x1 + 2 * size)
        inside |= high[:, None] & wide
    return float(np.mean([inside[row, column] for row, column in peaks])), float(inside.mean())


def read_scenes(path: str | Path) -> dict[Key, WorldQuestion]:
    """The questions of a world by photo and id, from the `scenes.json` that `vqa.data.world` writes.

    Raises `InputError` for a file that is missing or not such a one.
    """
    with scenes_of(path) as scenes:
        return {
            (str(scene["image"]), int(question["question_id"])): WorldQuestion(
                [_box(scene["shapes"][int(i)]["box"]) for i in question["asked"]],
                int(scene["size"]),
                bool(question["relational"]),
            )
            for scene in scenes
            for question in scene["questions"]
        }


@contextmanager
def scenes_of(path: str | Path) -> Iterator[Any]:
    """The content of a `scenes.json`; errors while it is used are those of the file, as `InputError`."""
    try:
        yield json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name the scenes.json of a world.") from error
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise InputError(
            f"{path} is not a list of scenes; name the scenes.json that python -m vqa.data.world wrote."
        ) from error


def _box(values: Sequence[float]) -> Box:
    x0, y0, x1, y1 = (int(value) for value in values)
    return x0, y0, x1, y1
