"""What `vqa train` says at its end: how good the model is, what it does not know, and what to do next."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import linear_regression
from typing import Any

from rich.table import Table
from rich.text import Text

from vqa.checkpoint.card import measured
from vqa.evaluation.answers.scores import Record, most_common

WORST = 10
STEEP = 1.0  # points for twice as many photos, from which on more photos are the best advice


def worst(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The answers that are missed most often: how often each is right, and what is said instead."""
    said: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        said[record["reference"]][record["prediction"]] += 1
    rows: list[dict[str, Any]] = []
    for answer, given in said.items():
        right = given.pop(answer, 0)
        instead = most_common(given) or None
        rows.append({"answer": answer, "n": right + given.total(), "right": right, "instead": instead})
    rows.sort(key=lambda row: (row["right"] - row["n"], row["answer"]))
    return [row for row in rows[:WORST] if row["right"] < row["n"]]


def per_doubling(curve: Sequence[dict[str, Any]]) -> float | None:
    """The points that twice as many photos brought on average: the slope of the learning curve over log2 of the photos;
    None for a single point."""
    x = [math.log2(point["photos"]) for point in curve]
    return linear_regression(x, [point["exact"] for point in curve]).slope if len(set(x)) > 1 else None


def recipes_table(learning: dict[str, Any]) -> Table:
    """The members on questions that they had not learned from, and their shares in the model."""
    table = Table("learned separately", title="exact match, %, and share in the answer")
    for name in ("passes", "with photo", "share", "without", "share"):
        table.add_column(name, justify="right")
    for row in learning["recipes"]:
        shares = (f"{row[key]:.2f}" for key in ("answer_share", "guess_share"))
        model, guess = (f"{row[key]:.1f}" for key in ("model", "question_only"))
        table.add_row(Text(row["name"]), str(row["passes"]), model, next(shares), guess, next(shares))
    return table


def worst_table(learning: dict[str, Any]) -> Table:
    table = Table("answer", title="answers that are missed most often")
    for name in ("questions", "right"):
        table.add_column(name, justify="right")
    table.add_column("most often instead")
    for row in learning["worst"]:
        table.add_row(Text(row["answer"]), f"{row['n']:,}", f"{row['right']:,}", Text(row["instead"]))
    return table


def sentences(content: dict[str, Any]) -> Iterator[str]:
    """How it was measured, what more photos may bring, and what to do next. content: that of `results.json`."""
    learning = content["learning"]
    yield from measured(content)
    if (gain := per_doubling(learning["curve"])) is not None:
        each = ", ".join(f"{point['exact']:.1f}% with {point['photos']:,}" for point in learning["curve"])
        yield f"By the number of photos: {each}; twice as many may change this by about {gain:+.1f} points."
    yield advice(content, gain)


def advice(content: dict[str, Any], gain: float | None) -> str:
    """What to do next."""
    bound, exact = content["baselines"]["upper_bound"], content["metrics"]["exact"]
    if bound is not None and bound < 80:
        return (
            f"Next: {100 - bound:.0f}% of the questions have an answer that occurs nowhere else; merge answers that "
            "mean the same, or give more examples of each."
        )
    if gain is not None and gain >= STEEP:
        return "Next: more photos, with questions like these."
    low, _ = content["intervals"]["above_question_only"]
    if low <= 0:
        return "Next: questions whose answers differ from photo to photo, so that the photo is needed."
    missed = [repr(row["answer"]) for row in content["learning"]["worst"][:3]]
    return (
        f"Next: more examples of the answers that are missed most often, such as {', '.join(missed)}."
        if missed
        else (f"Next: try it on new photos; {exact:.0f}% are right.")
    )
