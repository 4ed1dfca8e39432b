"""`vqa compare`: which of two models is better, by how much, how surely, and on which questions."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vqa.data.files import read_json
from vqa.data.readers.text_files import json_rows
from vqa.evaluation.answers.records import RECORDS, RESULTS
from vqa.evaluation.answers.scores import Record
from vqa.evaluation.looking import card_table
from vqa.evaluation.measures.statistics import interval, resampled_means
from vqa.model.errors import InputError, printable

KINDS = ("answer_type", "source")
METRICS = ("exact", "official")
FEWEST = 20  # questions of a group in the table


def compare(first: str, second: str, seed: int = 0, console: Console | None = None) -> dict[str, Any]:
    """Compare two evaluations, each named by its `results.json` or its folder, on the questions that both answered.

    Prints a table and a sentence, and returns their figures: for each group of questions `n`, `first`, `second` and
    `difference` (second minus first) in percent, its 95% `interval` by a paired bootstrap over photos, and `sure`, the
    share of the draws in which the second is better. Where both or one of them have a card of `--suite looking`, these
    are `cards`, too.
    Raises `InputError` for an evaluation that cannot be read, or two that share no question.
    """
    named = (first, second)
    a, b = (read_scores(name) for name in named)
    first, second = printable(first), printable(second)
    shared = [key for key in a if key in b]
    left = [Counter(key[:2] for key in side if key not in other) for side, other in ((a, b), (b, a))]
    changed = (left[0] & left[1]).total()
    if not shared:
        what = "the right answer of no question" if changed else "no question"
        raise InputError(f"{first} and {second} share {what}; evaluate both models on the same data.")
    photos = np.array([photo for photo, *_ in shared])
    scores = {metric: np.array([[side[key][metric] for side in (a, b)] for key in shared]) for metric in METRICS}
    groups: dict[str, np.ndarray] = {"all": np.ones(len(shared), bool)}
    for kind in KINDS:
        values = np.array([a[key][kind] for key in shared])
        groups |= {str(value): values == value for value in np.unique(values)}
    comparison: dict[str, Any] = {
        "questions": len(shared),
        "only_first": left[0].total() - changed,
        "only_second": left[1].total() - changed,
        "other_answers": changed,
        "groups": {
            name: figures(scores["exact"][chosen], photos[chosen].tolist(), seed)
            for name, chosen in groups.items()
            if name == "all" or chosen.sum() >= FEWEST
        },
    }
    judged = ~np.isnan(scores["official"]).any(1)
    if judged.any():
        comparison["official"] = figures(scores["official"][judged], photos[judged].tolist(), seed)
    console = console or Console()
    print_comparison(comparison, first, second, console)
    if any(cards := [read_card(name) for name in named]):
        comparison["cards"] = dict(zip((first, second), cards, strict=True))
        console.print(card_table(*cards, names=("first", "second")))
    return comparison


def figures(scores: np.ndarray, photos: list[str], seed: int) -> dict[str, Any]:
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


def read_scores(name: str) -> dict[tuple[str, str, str, int], Record]:
    """The model's scores in the records beside a `results.json` and the question's groups, by photo, question, right
    answer, and how often the same was asked before."""
    named = Path(name)
    path = (named if named.is_dir() else named.parent) / RECORDS
    for needed in (named, path):
        if not needed.exists():
            raise InputError(
                f"There is no {needed}; name a results.json that 'vqa evaluate --output' has written, or its folder."
            )
    scores: dict[tuple[str, str, str, int], Record] = {}
    asked = Counter[tuple[str, str, str]]()
    for row, where in json_rows(path):
        record: Any = row
        try:
            if record["exact"] is not None:
                question = str(record["photo"]), str(record["question"]).lower(), str(record["reference"])
                key = (*question, asked[question])
                asked[question] += 1
                scores[key] = {
                    **{kind: printable(str(record[kind])) for kind in KINDS},
                    **{m: float("nan") if record[m] is None else float(record[m]["model"]) for m in METRICS},
                }
                if not all(np.isnan(x) or 0 <= x <= 1 for x in (scores[key][metric] for metric in METRICS)):
                    raise ValueError("a score is not from 0 to 1")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{where} is no record of an evaluation; evaluate that model again.") from error
    return scores


def read_card(name: str) -> list[dict[str, Any]]:
    """The card of an evaluation by `--suite looking`, see `vqa.evaluation.looking.card`; [] for another one."""
    path = Path(name) / RESULTS if Path(name).is_dir() else Path(name)
    content = read_json(path, "evaluate that model again") if path.is_file() else {}
    return content.get("looking", {}).get("card", [])


def print_comparison(comparison: dict[str, Any], first: str, second: str, console: Console) -> None:
    table = Table("questions", "n", "first", "second", "difference", "95% interval", title="exact match, %")
    rows = dict(comparison["groups"])
    if "official" in comparison:
        rows["official metric"] = comparison["official"]
    for name, row in rows.items():
        low, high = row["interval"]
        values = (f"{row[key]:.1f}" for key in ("first", "second", "difference"))
        table.add_row(Text(name), f"{row['n']:,}", *values, f"{low:+.1f} to {high:+.1f}")
    console.print(table)
    for name, count in ((first, comparison["only_first"]), (second, comparison["only_second"])):
        if count:
            console.print(f"{count:,} questions are only in {name}, and left out.", markup=False)
    if count := comparison["other_answers"]:
        console.print(f"{count:,} questions have other right answers in {second}, and are left out.", markup=False)
    console.print(verdict(comparison["groups"]["all"], first, second), markup=False)


def verdict(row: dict[str, Any], first: str, second: str) -> str:
    """The comparison in a sentence."""
    low, high = row["interval"]
    if low <= 0 <= high:
        return f"Neither is surely better: the difference of {abs(row['difference']):.1f} points may be chance."
    better, sure = (second, row["sure"]) if low > 0 else (first, 1 - row["sure"])
    points, (least, most) = abs(row["difference"]), sorted((abs(low), abs(high)))
    return (
        f"{better} is better by {points:.1f} points (95% interval {least:.1f} to {most:.1f}; probability {sure:.1%})."
    )
