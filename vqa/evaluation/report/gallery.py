"""The report's gallery: a sample of the records, and small pictures that fit into one file."""

import base64
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from vqa.data.parallel import map_ahead
from vqa.evaluation.answers.scores import attention_of
from vqa.model.errors import InputError
from vqa.model.photos import open_photo
from vqa.model.text import is_guess

SIZE = 5000  # questions in the gallery
BUDGET = 9_000_000  # bytes of all pictures together, in base64
TRIED = 48  # photos by which the size of the pictures is chosen
# The longer side in pixels and the WebP quality, the best first.
STEPS = ((384, 60), (320, 55), (256, 50), (208, 46), (176, 42), (144, 38), (120, 34), (96, 30), (80, 24), (64, 18))
LONGEST, LONGEST_ANSWER = 300, 80  # characters of a text; what is longer is cut
MOST_CELLS = 16  # of an attention map, a side
SURE, UNSURE = 0.7, 1 / 3

# Why a question is called surprising, in the order of `surprises`.
REASONS = (
    "Wrong, though sure (70% or more).",
    "Wrong, where the guess without looking was right.",
    "Counted as wrong, though three or more of the people asked said the same.",
    "Right, though unsure (below 33%) and the guess without looking was wrong.",
    "Right, but the same answer came about another photo, and no guess explains it: was it looking?",
)


@dataclass
class Gallery:
    """A sample of the records, and counts of all records.

    entries: `entry` of each record in the sample, in the data's order; photos: the number of each photo of the sample,
    by its name and path; pairs: how often each (reference, prediction) occurs; n: records with a
    known answer.
    """

    entries: list[dict[str, Any]]
    pairs: Counter[tuple[str, str]]
    n: int
    photos: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def draw(
        cls,
        records: Iterable[Mapping[str, Any]],
        size: int = SIZE,
        seed: int = 0,
        advance: Callable[[int], None] = lambda questions: None,
    ) -> "Gallery":
        """Read all records once and draw `size` of them evenly (reservoir sampling, Vitter 1985, Algorithm R).

        advance: called for each record that is not in the sample. Records without a known answer are left out.
        """
        generator = np.random.default_rng(seed)
        drawn: list[tuple[int, dict[str, Any]]] = []
        pairs: Counter[tuple[str, str]] = Counter()
        n = 0
        for record in records:
            if not record.get("exact"):
                continue
            pairs[text(record.get("reference"), LONGEST_ANSWER), text(record.get("prediction"), LONGEST_ANSWER)] += 1
            place = n if n < size else int(generator.integers(n + 1))
            if n >= size:
                advance(1)
            if place < size:
                drawn[place : place + 1] = [(n, entry(record))]
            n += 1
        gallery = cls([short for _, short in sorted(drawn, key=lambda pair: pair[0])], pairs, n)
        for short in gallery.entries:
            photo = short.pop("photo"), short.pop("image")
            short["p"] = gallery.photos.setdefault(photo, len(gallery.photos))
        return gallery


def entry(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record under the short names that `report.js` reads."""
    exact, official = record["exact"], record.get("official") or {}
    given = Counter(text(answer, LONGEST_ANSWER) for answer in record.get("answers") or ())
    short = {
        "photo": text(record.get("photo"), LONGEST),
        "image": record["image"],
        "q": text(record.get("question"), LONGEST),
        "a": text(record.get("prediction"), LONGEST_ANSWER),
        "c": number(record.get("confidence")),
        "t": [[text(a, LONGEST_ANSWER), number(p)] for a, p in (record.get("top") or ())[1:4]],
        "r": text(record.get("reference"), LONGEST_ANSWER),
        "s": given.most_common(),
        "b": None if record.get("blind") is None else text(record["blind"], LONGEST_ANSWER),
        "o": None if record.get("swapped") is None else text(record["swapped"], LONGEST_ANSWER),
        "k": [text(record.get(name) or "unknown", LONGEST_ANSWER) for name in ("answer_type", "source")],
        "x": int(bool(exact.get("model"))),
        "f": number(official.get("model")),
        "w": surprises(record),
        "u": record.get("sure") is False,
        "g": is_guess(number(record.get("photo_mattered"))),
    }
    return short | heat(record)


def surprises(record: Mapping[str, Any]) -> list[int]:
    """Indices in `REASONS` of what is surprising about a record; usually none."""
    exact, official = record["exact"], record.get("official") or {}
    right, blind = bool(exact.get("model")), exact.get("blind_head")
    confidence, prediction = number(record.get("confidence")), record.get("prediction")
    rules = (
        not right and confidence is not None and confidence >= SURE,
        not right and blind == 1,
        not right and (number(official.get("model")) or 0) >= 0.9,
        right and blind == 0 and confidence is not None and confidence < UNSURE,
        right and blind != 1 and record.get("swapped") is not None and record["swapped"] == prediction,
    )
    return [place for place, holds in enumerate(rules) if holds]


def heat(record: Mapping[str, Any]) -> dict[str, Any]:
    """The attention map, `h`: its bytes in base64, `g`: its rows and columns; {} if there is none that can be read."""
    cells = attention_of(record)
    if cells is None:
        return {}
    if max(cells.shape) > MOST_CELLS:
        rows, columns = (min(side, MOST_CELLS) for side in cells.shape)
        cells = np.asarray(Image.fromarray(cells).resize((columns, rows), Image.Resampling.BOX))
    return {"h": base64.b64encode(cells.tobytes()).decode(), "g": list(cells.shape)}


def text(value: object, longest: int) -> str:
    """A value as text of at most so many characters."""
    whole = "" if value is None else str(value)
    return whole if len(whole) <= longest else whole[: longest - 1] + "…"


def number(value: object) -> float | None:
    """A number with four digits, which JSON can hold; None for anything else."""
    return round(float(value), 4) if isinstance(value, int | float) and math.isfinite(value) else None


Picture = tuple[str, int, int]  # a WebP in base64, its width and height


@dataclass
class Pictures:
    """of: one for each photo, or None; unreadable, left_out: how many photos have none for that reason."""

    of: list[Picture | None]
    unreadable: int = 0
    left_out: int = 0


def pictures(
    paths: Sequence[str], budget: int = BUDGET, advance: Callable[[int], None] = lambda number: None
) -> Pictures:
    """Small pictures of photos, as large as all of them together fit into `budget` bytes.

    The best of `STEPS` is chosen by a part of the photos. If they are too large after all, the next step is tried; with
    the last step, those that do not fit have no picture. advance: called with each photo's number, once.
    """
    first, encoded = first_step(paths, budget), list[Picture | None]()
    for step in range(first, len(STEPS)):
        encoded = []
        with closing(map_ahead(partial(picture, step=STEPS[step]), paths, depth=16)) as ahead:
            for number, content in enumerate(ahead):
                encoded.append(content)
                if step == first:
                    advance(number)
        if sum(map(size_of, encoded)) <= budget:
            break
    result, used = Pictures(encoded, unreadable=encoded.count(None)), 0
    for number, content in enumerate(encoded):
        if used + size_of(content) > budget:
            result.of[number] = None
            result.left_out += 1
        else:
            used += size_of(content)
    return result


def first_step(paths: Sequence[str], budget: int) -> int:
    """The index in `STEPS` of the best that should fit, with a tenth to spare."""
    chosen = paths[:: max(1, len(paths) // TRIED)]
    for step, how in enumerate(STEPS):
        sizes = [size_of(content) for content in map(partial(picture, step=how), chosen) if content is not None]
        if not sizes or 1.1 * np.mean(sizes) * len(paths) <= budget:
            return step
    return len(STEPS) - 1


def size_of(content: Picture | None) -> int:
    return len(content[0]) if content else 0


def picture(path: str, step: tuple[int, int]) -> Picture | None:
    """A photo as a small WebP; None if it cannot be read. Smaller photos are not enlarged."""
    side, quality = step
    try:
        photo = open_photo(path, shortest_side=side)
    except InputError:
        return None
    photo.thumbnail((side, side), Image.Resampling.BOX if max(photo.size) > 4 * side else Image.Resampling.BICUBIC)
    content = io.BytesIO()
    photo.save(content, "WEBP", quality=quality, method=2)
    return base64.b64encode(content.getvalue()).decode(), *photo.size
