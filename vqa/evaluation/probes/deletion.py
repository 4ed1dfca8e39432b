"""Deletion: does covering what the model looked at hurt more than covering any other place as large?"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from vqa.data.examples import Example, reference
from vqa.data.metric import normalize_answer
from vqa.evaluation.measures.bootstrap import interval, resampled_means
from vqa.evaluation.probes.batches import PHOTOS_A_BATCH, ask, encode, percent, read_batches, stream
from vqa.evidence import cover
from vqa.model.errors import InputError
from vqa.predict import VQA

AREA = 0.18  # of the grid that is covered: 3 x 3 cells of 7 x 7
Cell = tuple[int, int]


def deletion(
    vqa: VQA,
    examples: Sequence[Example],
    seed: int = 0,
    advance: Callable[[int], None] = lambda questions: None,
    batch: int = PHOTOS_A_BATCH,
) -> dict[str, Any]:
    """Cover the region around the peak of the attention with the photo's mean colour, or a random region of the same
    size, and ask again (after Samek et al. 2017 and Petsiuk et al. 2018, RISE, who cover pixel by pixel).

    A part of the excess comes from where photos have their subject: attention is often near the middle, where any cover
    hurts more than at the rim. So the middle region is covered too: only an excess above that speaks for attention.

    Returns, in percent: for `kept`, `attended`, `random` and `centre` the exact match and the `confidence`, the mean
    probability of the answer that the whole photo got; how far exact match drops by each; `excess`, the drop by the
    attended region above that by the random one, with its 95% `interval` by a paired bootstrap over photos; the same
    of the confidence, and both against the `centre_`. region: rows and columns of cells. skipped: examples whose photo
    or question cannot be read. batch: photos that are encoded at once.
    Raises `InputError` for a model that has no attention or a grid of one cell, or if no example can be read.
    """
    grid = vqa.grid_size
    if vqa.config.attention == "none" or math.prod(grid) == 1:
        raise InputError("The model looks everywhere alike, so deletion tells nothing; choose a model with attention.")
    size = region_size(grid)
    photos: list[str] = []
    exact: dict[str, list[bool]] = {"kept": [], "attended": [], "random": [], "centre": []}
    sure: dict[str, list[float]] = {name: [] for name in exact}
    for squares, asked, rows in read_batches(vqa, examples, lambda square: square, batch):
        questions, truth = [e.question for e in asked], [reference(e) for e in asked]
        whole, attention = ask(vqa, encode(vqa, squares, batch), questions, rows)
        given = whole.argmax(-1)
        attended = [attended_corner(weights, size) for weights in attention]
        other = [random_corner(c, size, grid, stream(seed, e)) for c, e in zip(attended, asked, strict=True)]
        middle = [((grid[0] - size[0]) // 2, (grid[1] - size[1]) // 2)] * len(asked)
        answered = {"kept": whole}
        for name, corners in (("attended", attended), ("random", other), ("centre", middle)):
            covered = [covered_at(squares[i], c, size, grid) for i, c in zip(rows.tolist(), corners, strict=True)]
            answered[name], _ = ask(vqa, encode(vqa, covered, batch), questions, np.arange(len(asked)))
        for name, probabilities in answered.items():
            best = probabilities.argmax(-1).tolist()
            exact[name] += [normalize_answer(vqa.answers[i]) == t for i, t in zip(best, truth, strict=True)]
            sure[name] += np.take_along_axis(probabilities, given[:, None], 1)[:, 0].tolist()
        photos += [e.image for e in asked]
        advance(len(asked))
    if not photos:
        raise InputError("No question could be asked; check that the photos are where the data says.")
    right = {name: np.array(values, dtype=float) for name, values in exact.items()}
    belief = {name: np.array(values) for name, values in sure.items()}
    excess: dict[str, np.ndarray] = {}
    for control, prefix in (("random", ""), ("centre", "centre_")):
        excess[f"{prefix}excess"] = right[control] - right["attended"]
        excess[f"{prefix}confidence_excess"] = belief[control] - belief["attended"]
    means = resampled_means(excess, photos, seed)
    return {
        "n": len(photos),
        "skipped": len(examples) - len(photos),
        "region": list(size),
        **{name: {"exact": percent(right[name]), "confidence": percent(belief[name])} for name in right},
        **{f"drop_{name}": percent(right["kept"] - right[name]) for name in right if name != "kept"},
        **{name: percent(values) for name, values in excess.items()},
        **{name.replace("excess", "interval"): interval(values) for name, values in means.items()},
    }


def region_size(grid: Cell) -> Cell:
    """Rows and columns of the region in a grid of h rows and w columns: near `AREA` of it, and at least one cell."""
    height, width = grid
    rows = max(1, round(height * math.sqrt(AREA)))
    return rows, min(width, max(1, round(height * width * AREA / rows)))


def attended_corner(attention: np.ndarray, size: Cell) -> Cell:
    """Upper left cell of the region centred on the peak of a map `(h, w)`, shifted to lie inside."""
    peak = np.unravel_index(attention.argmax(), attention.shape)
    row, column = (
        min(max(int(place) - side // 2, 0), cells - side)
        for place, side, cells in zip(peak, size, attention.shape, strict=True)
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
