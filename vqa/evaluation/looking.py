"""`vqa evaluate --suite looking`: does a model look at the photo? The measurements, and one card of their figures."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rich.table import Table

from vqa.data.world import write_world
from vqa.evaluation.options import Options
from vqa.foreign.calibration import cache_folder

QUESTIONS = 200  # that the model is asked again and again, unless --deletion says how many
WORLD, SCENES, SEED, SIDE = "world", 200, 7, 224  # the data that needs no download: drawn scenes


def prepared(options: Options) -> Options:
    """The options with what the suite measures; `--data world` becomes scenes that are drawn in the user's cache.

    Raises `InputError` if these cannot be written.
    """
    if options.suite is None:
        return options
    if options.data == WORLD:
        folder = cache_folder() / f"world-{SCENES}-{SEED}-{SIDE}"
        if not (folder / "scenes.json").is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            write_world(folder, SCENES, SEED, workers=1, size=SIDE)
        options = replace(options, data=str(folder / "questions.jsonl"), images=str(folder / "photos"))
    return replace(options, swap_photos=True, deletion=options.deletion or QUESTIONS)


def card(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The card of a model: rows with a `name`, the `figure` in percent or points, and its `interval` or None."""
    return [
        {"name": name, "figure": figures[key], "interval": figures.get(between)}
        for name, figures, key, between in rows(content)
        if figures and figures.get(key) is not None
    ]


def rows(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str, str]]:
    """The name of each row, the figures that it is among, and the keys of the figure and its interval."""
    grounding, looking = content.get("grounding", {}), content.get("looking", {})
    metrics = content["metrics"] | {f"{name} interval": between for name, between in content["intervals"].items()}
    blind, mirror, presence = (looking.get(name, {}) for name in ("blind", "mirror", "presence"))
    boxes = grounding.get("boxes", {})
    yield "exact match, %", metrics, "exact", "exact interval"
    yield "official metric, %", metrics, "official", "official interval"
    yield "lost about another photo, points", grounding.get("photo_swap", {}), "drop", "interval"
    yield "exact about a grey photo, %", blind, "grey", ""
    yield "exact without any photo, %", blind, "none", ""
    yield "lost about a grey photo, points", blind, "drop", "interval"
    deletion = grounding.get("deletion", {})
    yield "attended part covered, above the middle, points", deletion, "centre_excess", "centre_interval"
    name = "confidence, attended part above the middle, points"
    yield name, deletion, "centre_confidence_excess", "centre_confidence_interval"
    yield "attention peaks at what is asked, %", grounding.get("pointing", {}), "hit", "interval"
    yield "the same for an even map, %", grounding.get("pointing", {}), "uniform", ""
    yield (
        "attention peaks in the box, above the middle, points",
        boxes.get("peak", {}),
        "above_middle",
        "above_middle_interval",
    )
    yield "presence in ten wordings, right, %", presence, "right", "interval"
    yield "the same answer in all ten, %", presence, "consistent", ""
    yield "left and right, right in the photo and its mirror, %", mirror, "both", "interval"
    yield "answers that ignore the mirror, %", mirror, "same", ""
    yield (
        "lost with a typo, points",
        content.get("robustness", {}).get("variants", {}).get("typos", {}),
        "drop",
        "interval",
    )


def card_table(*cards: list[dict[str, Any]], names: tuple[str, ...] = ()) -> Table:
    """Cards beside each other; a figure that a model does not have is a dash."""
    table = Table("does it look?", title="" if len(cards) == 1 else "cards side by side")
    for name in names or ("figure",):
        table.add_column(name, justify="right")
        if len(cards) == 1:
            table.add_column("95% interval", justify="right")
    for row in dict.fromkeys(row["name"] for rows in cards for row in rows):
        cells = []
        for rows in cards:
            found = next((other for other in rows if other["name"] == row), None)
            cells.append("-" if found is None else f"{found['figure']:.1f}")
            if len(cards) == 1:
                between = found and found["interval"]
                cells.append(f"{between[0]:.1f} to {between[1]:.1f}" if between else "")
        table.add_row(row, *cells)
    return table
