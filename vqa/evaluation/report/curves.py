"""The report's curves, as pictures (SVG) that need nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 26, 36  # margins around the plot
STRIP = 52  # below the reliability curve: how many answers each bin has


def reliability(bins: Sequence[Mapping[str, Any]], count: int = 15) -> str:
    """Accuracy against confidence, with the diagonal, on which confidence means what it says.

    bins: dicts of `n`, `confidence` and `accuracy`, in percent, of at most `count` equally wide bins. Below stands how
    many answers are in each.
    """
    low = HEIGHT + STRIP - 4  # the foot of the strip's columns
    most = max(row["n"] for row in bins)
    parts = [frame("confidence, %", "right, %", STRIP)]
    parts.append(f'<path class="even" d="M{x(0):.1f} {y(0):.1f} L{x(100):.1f} {y(100):.1f}"/>')
    wide = (x(100) - x(0)) / count
    for row in bins:
        centre = x((min(int(row["confidence"] * count / 100), count - 1) + 0.5) * 100 / count)
        tall = (STRIP - 18) * row["n"] / most
        parts.append(
            f'<rect class="column" x="{centre - wide / 2 + 1:.1f}" y="{low - tall:.1f}" width="{wide - 2:.1f}" '
            f'height="{tall:.1f}"/>{label(centre, low - tall - 3, short(row["n"]), "middle", "tiny")}'
        )
    parts.append(line([(row["confidence"], row["accuracy"]) for row in bins]))
    parts += [
        f'<circle class="dot" cx="{x(row["confidence"]):.1f}" cy="{y(row["accuracy"]):.1f}" r="4">'
        f"<title>{row['n']:,} answers: {row['confidence']:.0f}% sure, {row['accuracy']:.0f}% right</title></circle>"
        for row in bins
    ]
    name = f"Reliability curve: how often answers are right against how sure they are, in {len(bins)} bins"
    return picture(name, HEIGHT + STRIP, parts)


def coverage(points: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy if only the surest questions are answered; dicts of `coverage` and `accuracy` in percent."""
    parts = [frame("share of the questions that are answered, surest first, %", "right, %", 0)]
    parts.append(line([(row["coverage"], row["accuracy"]) for row in points]))
    for row in points:
        at, height = x(row["coverage"]), y(row["accuracy"])
        last = row["coverage"] > 90  # the line comes from above: its figure stands below
        told = label(at, height + (18 if last else -10), f"{row['accuracy']:.0f}%", "end" if last else "middle")
        parts.append(f'<circle class="dot" cx="{at:.1f}" cy="{height:.1f}" r="4"/>{told}')
    return picture("Accuracy against the share of the questions that are answered", HEIGHT, parts)


def x(percent: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * percent / 100


def y(percent: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * percent / 100


def frame(across: str, up: str, strip: int) -> str:
    """Grid lines with their figures, and what the axes mean."""
    parts = []
    for percent in (0, 25, 50, 75, 100):
        parts.append(f'<path class="grid" d="M{x(0):.1f} {y(percent):.1f} H{x(100):.1f}"/>')
        parts.append(label(x(0) - 6, y(percent) + 4, str(percent), "end"))
        anchor = {0: "start", 100: "end"}.get(percent, "middle")
        parts.append(label(x(percent), y(0) + 15, str(percent), anchor))
    parts.append(label(x(50), y(0) + 30, across, "middle"))
    parts.append(label(4, 10, up, "start"))
    if strip:
        parts.append(label(4, HEIGHT + strip - 6, "answers", "start", "tiny"))
    return "".join(parts)


def line(points: Sequence[tuple[float, float]]) -> str:
    return f'<polyline class="line" points="{" ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)}"/>'


def label(at: float, height: float, words: str, anchor: str, kind: str = "") -> str:
    """`words` are our own or a number: nothing to escape."""
    return f'<text class="{kind}" x="{at:.1f}" y="{height:.1f}" text-anchor="{anchor}">{words}</text>'


def short(n: int) -> str:
    """A count in at most four characters, below ten million."""
    return str(n) if n < 1000 else f"{n / 1000:.1f}k" if n < 10_000 else f"{n // 1000}k"


def picture(name: str, height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}">{"".join(parts)}</svg>'
