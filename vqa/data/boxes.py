"""Boxes of objects on photos, and the cells of a grid that they cover."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vqa.data.kinds import KINDS
from vqa.data.readers.text_files import json_rows
from vqa.model.errors import InputError


class Box(NamedTuple):
    """An object: its kind, the upper left corner and the size, all as shares of the photo's width and height."""

    kind: str
    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True)
class Objects:
    """The objects of a photo.

    boxes: one per object; crowd: kinds of which there are groups without a box for each object; aligned: False if the
    photo was cropped after its boxes were drawn, so that the kinds are right and the places are not.
    """

    boxes: tuple[Box, ...] = ()
    crowd: frozenset[str] = frozenset()
    aligned: bool = True

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind that is present."""
        return self.crowd | {box.kind for box in self.boxes}


def read_boxes(path: str | Path) -> dict[str, Objects]:
    """The objects of each photo, by its file name, from JSON lines with `image`, `objects` (lists of kind, x, y, width,
    height) and, optionally, `crowd` and `aligned`.

    Raises:
        InputError: the file cannot be read, or a line has another form.
    """
    photos: dict[str, Objects] = {}
    for row, where in json_rows(Path(path)):
        try:
            photo, objects = _photo(row)
        except KeyError as error:
            raise InputError(f"{where} has no {error}; {_FORM}.") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{where} does not describe the objects of a photo ({error}); {_FORM}.") from error
        photos[photo] = objects
    return photos


_FORM = "give 'image' and 'objects', a list of [kind, x, y, width, height] with shares of the photo from 0 to 1"


def _photo(row: Any) -> tuple[str, Objects]:
    boxes = tuple(map(_box, row["objects"]))
    crowd = frozenset(map(_kind, row.get("crowd", ())))
    return Path(row["image"]).name, Objects(boxes, crowd, bool(row.get("aligned", True)))


def _box(entry: Any) -> Box:
    if not isinstance(entry, list) or len(entry) != 5:
        raise ValueError(f"{entry!r} is not [kind, x, y, width, height]")
    box = Box(_kind(entry[0]), *map(float, entry[1:]))
    if not all(0 <= value <= 1 for value in box[1:]):
        raise ValueError(f"a number of {entry} is outside 0 to 1")
    return box


def _kind(name: Any) -> str:
    if name not in KINDS:
        raise ValueError(f"{name!r} is not one of COCO's kinds")
    return str(name)


def cells(boxes: Iterable[Box], height: int, width: int, grown: float = 0.0) -> np.ndarray:
    """Which of the N = height * width cells of a grid the boxes cover, `(N,)` bool, row by row.

    A box covers each cell whose centre is inside it, and the cell that holds the centre of the box.

    grown: the box is extended by this many cells on each side.
    """
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    dx, dy = grown / width, grown / height
    covered = np.zeros((height, width), dtype=bool)
    for box in boxes:
        columns = (x >= box.x - dx) & (x <= box.x + box.width + dx)
        rows = (y >= box.y - dy) & (y <= box.y + box.height + dy)
        covered |= rows[:, None] & columns
        centre_x, centre_y = box.centre
        covered[min(int(centre_y * height), height - 1), min(int(centre_x * width), width - 1)] = True
    return covered.ravel()


def asked_boxes(objects: Mapping[str, Objects], image: str, kinds: Iterable[str]) -> tuple[Box, ...]:
    """The boxes of `kinds` on a photo; empty if the photo is unknown or its boxes are not aligned."""
    known = objects.get(Path(image).name)
    if known is None or not known.aligned:
        return ()
    wanted = frozenset(kinds)
    return tuple(box for box in known.boxes if box.kind in wanted)
