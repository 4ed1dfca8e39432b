"""`vqa compare`: which of two models is better, by how much, how sure, and where."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vqa.data.readers.text_files import json_rows
from vqa.evaluation.answers.outputs import RECORDS
from vqa.evaluation.answers.scores import Record
from vqa.evaluation.measures.bootstrap import interval, resampled_means
from vqa.model.errors import InputError

KINDS = ("answer_type", "source")
METRICS = ("exact", "official")
FEW = 20  # questions of a group; fewer are not shown


def compare(first: str, second: str, seed: int = 0, console: Console | None = None) -> dict[str, Any]:
    """Compare two evaluations, each named by its `results.json` or its folder, on the questions that both answered.

    Prints a table and a sentence, and returns what stands in them: for each group of questions `n`, `first`, `second`
    and `difference` (second minus first) in percent, its 95% `interval` by a paired bootstrap over photos, and `sure`,
    the share of the draws in which the second is better.
    Raises `InputError` for an evaluation that cannot be read, or two that share no question.
    """
    console = console or Console()
    a, b = (read_scores(name) for name in (first, second))
    shared = [key for key in a if key in b]
    if not shared:
        raise InputError(f"{first} and {second} share no question; evaluate both models on the same data.")
    rows = [(a[key], b[key]) for key in shared]
    photos = [key[0] for key in shared]
    groups: dict[str, np.ndarray] = {"all": np.ones(len(rows), bool)}
    for kind in KINDS:
        values = np.array([x[kind] for x, _ in rows])
        groups |= {str(value): values == value for value in np.unique(values)}
    columns = {name: np.array([[side[name] for side in pair] for pair in rows], dtype=float) for name in METRICS}
    found = {
        "questions": len(shared),
        "only_first": len(a) - len(shared),
        "only_second": len(b) - len(shared),
        "groups": {
            name: row(columns["exact"][chosen], [p for p, c in zip(photos, chosen, strict=True) if c], seed)
            for name, chosen in groups.items()
            if name == "all" or chosen.sum() >= FEW
        },
    }
    judged = ~np.isnan(columns["official"]).any(1)
    if judged.any():
        chosen_photos = [p for p, c in zip(photos, judged, strict=True) if c]
        found["official"] = row(columns["official"][judged], chosen_photos, seed)
    show(found, first, second, console)
    return found


def row(scores: np.ndarray, photos: list[str], seed: int) -> dict[str, Any]:
    """The figures of some questions: scores `(n, 2)` in 0-1 of the first and the second model."""
    means = resampled_means({"first": scores[:, 0], "second": scores[:, 1]}, photos, seed)
    differences = means["second"] - means["first"]
    one, two = (100 * float(x) for x in scores.mean(0))
    return {
        "n": len(scores),
        "first": round(one, 2),
        "second": round(two, 2),
        "difference": round(two - one, 2),
        "interval": interval(differences),
        "sure": round(float(np.mean((differences > 0) + 0.5 * (differences == 0))), 4),
    }


def read_scores(name: str) -> dict[tuple[str, str], Record]:
    """The scored records beside a `results.json`, by photo and question: what the comparison needs of them."""
    path = Path(name)
    path = (path if path.is_dir() else path.parent) / RECORDS
    if not path.is_file():
        raise InputError(
            f"There is no {path}; name a results.json that 'vqa evaluate --output' has written, or its folder."
        )
    found = {}
    for row, where in json_rows(path):
        try:
            if row["exact"] is not None:  # type: ignore[index]
                kept: Record = {kind: str(row[kind]) for kind in KINDS}  # type: ignore[index]
                kept |= {metric: score(row[metric]) for metric in METRICS}  # type: ignore[index]
                found[str(row["photo"]), str(row["question_id"])] = kept  # type: ignore[index]
        except (KeyError, TypeError) as error:
            raise InputError(f"{where} is no record of an evaluation; evaluate that model again.") from error
    return found


def score(worth: dict[str, float] | None) -> float:
    """The model's; NaN where it has none."""
    return float("nan") if worth is None else float(worth["model"])


def show(found: dict[str, Any], first: str, second: str, console: Console) -> None:
    """Print the comparison."""
    table = Table("questions", "n", "first", "second", "difference", "95% interval", title="exact match, %")
    lines = list(found["groups"].items())
    if "official" in found:
        lines.append(("official metric", found["official"]))
    for name, figures in lines:
        low, high = figures["interval"]
        values = (figures["first"], figures["second"], figures["difference"])
        cells = [f"{figures['n']:,}", *(f"{value:.1f}" for value in values), f"{low:+.1f} to {high:+.1f}"]
        table.add_row(Text(name), *cells)
    console.print(table)
    for name, count in ((first, found["only_first"]), (second, found["only_second"])):
        if count:
            console.print(f"{count:,} questions are only in {name}, and left out.", markup=False)
    console.print(verdict(found["groups"]["all"], first, second), markup=False)


def verdict(figures: dict[str, Any], first: str, second: str) -> str:
    """The comparison in a sentence."""
    low, high = figures["interval"]
    if low <= 0 <= high:
        return f"Neither is better for sure: the difference of {abs(figures['difference']):.1f} points may be chance."
    better, sure = (second, figures["sure"]) if low > 0 else (first, 1 - figures["sure"])
    points = abs(figures["difference"])
    return f"{better} is better by {points:.1f} points (95% interval {low:+.1f} to {high:+.1f}; sure to {sure:.1%})."
