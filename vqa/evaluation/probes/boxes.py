"""Pointing on photos: does the attention lie on the objects that the question names?"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vqa.data.boxes import asked_boxes, cells, read_boxes
from vqa.data.kinds import named_kinds
from vqa.evaluation.answers.scores import glimpses_of
from vqa.evaluation.measures.statistics import interval, percent, resampled_means
from vqa.evaluation.probes.pointing import required_attention

GROWN = 0.5  # cells by which the boxes of `peak_grown` are extended on each side
MEASURES = ("peak_grown", "peak", "mass")
MIDDLE, EVEN, ATTENTION = range(3)  # the places of a question's maps; the glimpses follow


@dataclass(frozen=True)
class PointingAtBoxes:
    """The pointing game (Zhang et al. 2016) on photos whose objects have boxes, beside two maps that need no model.

    records: of an evaluation, with `photo`, `question`, `attention`, `grid` and `glimpses`; boxes: a file for
    `vqa.data.boxes.read_boxes`.
    """

    records: Iterable[Mapping[str, Any]]
    boxes: str | Path

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """For the questions that name a kind with a box on their photo, in percent:

        peak_grown  how often the map's peak is in a box of such a kind, the boxes extended by half a cell
        peak        the same, the boxes as they are
        mass        the share of the map's weight in these boxes

        Each for the `attention`, the mean of the glimpses, with its 95% `interval` by the bootstrap over photos, for a
        map that is the `middle` cell of the photo (the middle cells, if their number is even) and for an `even` map;
        `above_middle`: the attention minus the middle, with the interval of the paired difference. glimpses: the same
        for each glimpse, if there are several. left_out: the number of other questions; unknown: of these, the
        questions about photos that the file does not have. Figures of no question are None.

        Raises `InputError` for a record without attention, and as `read_boxes`.
        """
        objects = read_boxes(self.boxes)
        photos, rows, left_out, unknown = [], [], 0, 0
        for record in self.records:
            boxes = asked_boxes(objects, record["photo"], named_kinds(record["question"]))
            if not boxes:
                left_out += 1
                unknown += record["photo"] not in objects
                continue
            attention = required_attention(record)
            height, width = attention.shape
            plain, grown = (cells(boxes, height, width, by).reshape(height, width) for by in (0.0, GROWN))
            maps = [middle(height, width), np.ones((height, width)), attention, *glimpses_of(record)]
            photos.append(record["photo"])
            rows.append([pointing(weights, plain, grown) for weights in maps])
        count = min(map(len, rows), default=ATTENTION + 1)
        scores = np.array([row[:count] for row in rows], dtype=float).reshape(-1, count, len(MEASURES))
        columns = {f"{k} {name}": scores[:, k, i] for k in range(count) for i, name in enumerate(MEASURES)}
        means = resampled_means(columns, photos) if rows else dict.fromkeys(columns, np.empty(0))

        def figures(k: int) -> dict[str, Any]:
            return {
                name: {
                    "attention": percent(columns[f"{k} {name}"]),
                    "interval": interval(means[f"{k} {name}"]),
                    "middle": percent(columns[f"{MIDDLE} {name}"]),
                    "even": percent(columns[f"{EVEN} {name}"]),
                    "above_middle": percent(columns[f"{k} {name}"] - columns[f"{MIDDLE} {name}"]),
                    "above_middle_interval": interval(means[f"{k} {name}"] - means[f"{MIDDLE} {name}"]),
                }
                for name in MEASURES
            }

        yield (
            "grounding/boxes",
            {
                "n": len(rows),
                "left_out": left_out,
                "unknown": unknown,
                **figures(ATTENTION),
                "glimpses": [figures(k) for k in range(ATTENTION + 1, count)],
            },
        )


def pointing(weights: np.ndarray, plain: np.ndarray, grown: np.ndarray) -> tuple[float, float, float]:
    """The `MEASURES` of a map, each in 0-1.

    weights: `(h, w)`, of any sum; plain, grown: `(h, w)` bool, the cells that the boxes cover. Of several equal peaks
    the share that is in the boxes counts, so that an even map scores as a random cell.
    """
    peaks = weights == weights.max()
    return float(grown[peaks].mean()), float(plain[peaks].mean()), float(weights[plain].sum() / weights.sum())


def middle(height: int, width: int) -> np.ndarray:
    """A map `(h, w)` that is 1 in the middle cell, or in the two or four middle cells, and 0 elsewhere."""
    rows, columns = (abs(2 * np.arange(count) + 1 - count) <= 1 for count in (height, width))
    return np.outer(rows, columns).astype(float)
