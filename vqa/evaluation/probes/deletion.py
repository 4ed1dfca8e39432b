"""Deletion: does covering the attended region hurt more than covering any other region of that size?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from vqa.covering import cover
from vqa.data.examples import reference
from vqa.evaluation.measures.statistics import interval, percent, resampled_means
from vqa.evaluation.probes.asked_again import AskedAgain, exact_match, generator_for
from vqa.model.errors import InputError
from vqa.model.text import peak

AREA = 0.18  # of the grid that is covered: 3 x 3 cells of 7 x 7
Cell = tuple[int, int]


@dataclass(frozen=True)
class Deletion(AskedAgain):
    """Covers the region around the peak of the attention with the photo's mean colour, or a random region of the same
    size, and asks again (after Samek et al. 2017 and Petsiuk et al. 2018, RISE, who cover pixel by pixel).

    A part of the excess comes from where photos have their subject: attention is often near the middle, where any cover
    hurts more than at the rim. So the middle region is covered, too: only an excess above that speaks for attention.
    """

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """For `kept`, `attended`, `random` and `centre` the exact match and the `confidence`, the mean probability of
        the answer to the whole photo; how far exact match drops by each; `excess`, the drop by the attended region
        above that by the random one, with its 95% `interval` by a paired bootstrap over photos; the same of the
        confidence, and both against the `centre_`. region: rows and columns of cells. skipped: examples whose photo or
        question cannot be read.

        Raises `InputError` for a model without attention or with a grid of one cell, or if no example can be read.
        """
        model: Any = self.vqa
        if not model.kind and (model.config.attention == "none" or math.prod(model.grid_size) == 1):
            raise InputError(
                "Deletion measures attention, which this model does not have; choose a model with attention."
            )
        size = (0, 0)
        photos: list[str] = []
        truth: list[str | None] = []
        answers: dict[str, list[str]] = {"kept": [], "attended": [], "random": [], "centre": []}
        beliefs: dict[str, list[float]] = {name: [] for name in answers}
        for squares, examples, rows in self.read():
            questions = [e.question for e in examples]
            whole = self.ask(self.encode(squares), questions, rows)
            grids = [weights.shape for weights in whole.attention]  # of a foreign model, a photo may have its own
            if any(math.prod(grid) == 1 for grid in grids):
                raise InputError("Deletion measures attention, which this server does not return; leave it out.")
            sizes = [region_size(grid) for grid in grids]
            size = sizes[0]
            attended = [attended_corner(*pair) for pair in zip(whole.attention, sizes, strict=True)]
            generators = [generator_for(self.seed, example) for example in examples]
            corners = {
                "attended": attended,
                "random": [random_corner(*place) for place in zip(attended, sizes, grids, generators, strict=True)],
                "centre": [((h - r) // 2, (w - c) // 2) for (h, w), (r, c) in zip(grids, sizes, strict=True)],
            }
            given = {"kept": whole}
            for name, places in corners.items():
                covered = [
                    covered_at(squares[i], *p) for i, *p in zip(rows.tolist(), places, sizes, grids, strict=True)
                ]
                given[name] = self.ask(self.encode(covered), questions, np.arange(len(examples)), whole.answers)
            for name, one in given.items():
                answers[name] += one.answers
                beliefs[name] += one.beliefs.tolist()
            truth += [reference(e) for e in examples]
            photos += [e.image for e in examples]
        right = {name: exact_match(column, truth) for name, column in answers.items()}
        belief = {name: np.array(column) for name, column in beliefs.items()}
        excess = {}
        for control, prefix in (("random", ""), ("centre", "centre_")):
            excess[f"{prefix}excess"] = right[control] - right["attended"]
            excess[f"{prefix}confidence_excess"] = belief[control] - belief["attended"]
        means = resampled_means(excess, photos, self.seed)
        figures = {
            "n": len(photos),
            "skipped": len(self.examples) - len(photos),
            "region": list(size),
            **{name: {"exact": percent(right[name]), "confidence": percent(belief[name])} for name in right},
            **{f"drop_{name}": percent(right["kept"] - right[name]) for name in right if name != "kept"},
            **{name: percent(values) for name, values in excess.items()},
            **{name.replace("excess", "interval"): interval(values) for name, values in means.items()},
        }
        yield "grounding/deletion", figures


def region_size(grid: Cell) -> Cell:
    """Rows and columns of the region in a grid of h rows and w columns: near `AREA` of it, and at least one cell."""
    height, width = grid
    rows = max(1, round(height * math.sqrt(AREA)))
    return rows, min(width, max(1, round(height * width * AREA / rows)))


def attended_corner(attention: np.ndarray, size: Cell) -> Cell:
    """Upper left cell of the region centred on the peak of a map `(h, w)`, shifted to lie inside."""
    row, column = (
        min(max(place - side // 2, 0), cells - side)
        for place, side, cells in zip(peak(attention), size, attention.shape, strict=True)
    )
    return row, column


def random_corner(attended: Cell, size: Cell, grid: Cell, generator: np.random.Generator) -> Cell:
    """Upper left cell of a region drawn evenly among all placements but the attended one.

    It may overlap that: a region in the middle of the grid leaves no room for another beside it. Overlap makes the
    two more alike, so it can only hide a difference.
    """
    rows, columns = (cells - side + 1 for side, cells in zip(size, grid, strict=True))
    others = [(i, j) for i in range(rows) for j in range(columns) if (i, j) != attended]
    return others[int(generator.integers(len(others)))]


def covered_at(square: Image.Image, corner: Cell, size: Cell, grid: Cell) -> Image.Image:
    """The photo with the region at this corner covered by its mean colour."""
    mask = np.zeros(grid, bool)
    mask[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = True
    return cover(square, mask)
