"""Pictures of activations, gradients and alignments, as self-contained HTML and SVG. All text is escaped."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vqa.inside.cells import Reading  # loads torch, which delays the page

STRIPS = ("i", "f", "o", "g", "r", "z", "n", "c", "h")  # the order in which a cell's parts are stacked
MEANING = {
    "i": "write?",
    "f": "keep?",
    "o": "show?",
    "g": "what to write",
    "r": "use the past?",
    "z": "keep?",
    "n": "what to write",
    "c": "cell",
    "h": "hidden",
}
HIGH, LOW = (202, 72, 20), (33, 102, 172)  # orange and blue, distinct for colour-blind readers
LINES = ("#ca4814", "#2166ac", "#4d9221", "#8e44ad", "#b8860b", "#008080", "#c51b7d", "#555555")
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 300, 56, 34
CELL, MARGIN = 18, 30  # of the alignment
FAINT = 0.02  # smaller weights are not drawn


def coloured_text(
    tokens: Sequence[str], values: Sequence[float], marked: Sequence[bool] = (), top: float | None = None
) -> str:
    """The tokens, each on an orange background if its value is positive and a blue one if it is negative.

    The strongest colour is for the absolute value `top`, the greatest if None. marked: those to underline.
    Tokens of one character each are set as running text.
    """
    top = top or max((abs(value) for value in values), default=0.0) or 1.0
    spans = []
    for token, value, mark in zip(tokens, values, marked or [False] * len(tokens), strict=True):
        kind = "cell marked" if mark else "cell"
        style = background(value, top)
        spans.append(f'<span class="{kind}" style="{style}" title="{value:+.3f}">{escape(token)}</span>')
    letters = " letters" if tokens and all(len(token) == 1 for token in tokens) else ""
    return f'<p class="cells{letters}">{"".join(spans)}</p>'


def background(value: float, top: float) -> str:
    red, green, blue = HIGH if value > 0 else LOW
    return f"background:rgba({red},{green},{blue},{0.75 * min(abs(value) / top, 1):.2f})"


def gate_strips(reading: "Reading", layer: int, unit: int) -> str:
    """One unit's gates, cell and hidden value over the tokens, a row each, as a table.

    Raises `InputError` for a layer or unit that does not exist.
    """
    names = [name for name in STRIPS if name in reading.traces[layer]] if 0 <= layer < len(reading.traces) else ["h"]
    rows = []
    for name in names:
        values = reading.unit(layer, name, unit).tolist()
        top = 1.0 if name != "c" else max(1.0, *map(abs, values))
        cells = "".join(f'<td style="{background(value, top)}">{value:.2f}</td>' for value in values)
        rows.append(f'<tr><th scope="row">{name} <small>{MEANING[name]}</small></th>{cells}</tr>')
    head = "".join(f'<th scope="col">{escape(token)}</th>' for token in reading.tokens)
    caption = f"layer {layer + 1}, unit {unit}"
    return (
        f'<div class="strips" tabindex="0"><table><caption>{caption}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def flow_chart(curves: Mapping[str, Sequence[float]], title: str, ticks: Sequence[str] | None = None) -> str:
    """Norms of gradients by step, on a logarithmic scale; zeros are omitted.

    curves: by name, T numbers, the same T each. ticks: a label a step; else the first and the last step are numbered.
    """
    powers = [math.log10(v) for curve in curves.values() for v in curve if v > 0 and math.isfinite(v)]
    if not powers:
        return f"<p>{escape(title)}: there is no gradient at all.</p>"
    low, high = math.floor(min(powers)), max(math.ceil(max(powers)), math.floor(min(powers)) + 1)
    steps = max(len(curve) for curve in curves.values())

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - 12) * step / max(1, steps - 1)

    def y(power: float) -> float:
        return 30 + (HEIGHT - BOTTOM - 30) * (high - power) / (high - low)

    parts = [text(LEFT, 16, title, "start")]
    for power in range(low, high + 1, max(1, (high - low) // 5)):
        parts.append(f'<path d="M{LEFT} {y(power):.1f}H{WIDTH - 12}" stroke="currentColor" opacity=".15"/>')
        parts.append(text(LEFT - 6, y(power) + 4, f"1e{power}", "end"))
    labels = dict(enumerate(ticks)) if ticks else {0: "step 1", steps - 1: f"step {steps}"}
    for step, label in labels.items():
        anchor = "start" if step == 0 else "end" if step == steps - 1 else "middle"
        parts.append(text(x(step), HEIGHT - BOTTOM + 16, label, anchor))
    for number, (name, curve) in enumerate(curves.items()):
        colour = LINES[number % len(LINES)]
        points = " ".join(f"{x(t):.1f},{y(math.log10(v)):.1f}" for t, v in enumerate(curve) if v > 0)
        dash = f' stroke-dasharray="{4 + 3 * (number // len(LINES))} 3"' if number >= len(LINES) else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"{dash}/>')
        column, row = number % 2, number // 2
        left, top = LEFT + column * (WIDTH - LEFT) / 2, HEIGHT + 4 + 18 * row
        parts.append(f'<path d="M{left:.0f} {top}h18" stroke="{colour}" stroke-width="3"{dash}/>')
        parts.append(text(left + 24, top + 4, name, "start"))
    tall = HEIGHT + 18 * ((len(curves) + 1) // 2)
    font = 'style="width:100%;max-width:44rem;height:auto" font-family="sans-serif" font-size="13"'
    return svg(WIDTH, tall, f"{title}: {', '.join(curves)}", parts, font)


def alignment_picture(read: str, written: str, weights: Sequence[Sequence[float]]) -> str:
    """The alignment matrix: a row a written character, from above, a column a read one; darker for a greater weight.

    weights: `len(written)` rows of `len(read)` numbers from 0 to 1.
    """
    width, height = (MARGIN + CELL * len(text) + 4 for text in (read, written))

    def letter(x: float, y: float, character: str) -> str:
        return text(x, y, "\u2423" if character == " " else character, "middle")  # a visible space

    parts = [letter(MARGIN + CELL * (i + 0.5), MARGIN - 10, character) for i, character in enumerate(read)]
    for row, character in enumerate(written):
        parts.append(letter(MARGIN - 12, MARGIN + CELL * (row + 0.75), character))
        for column, weight in enumerate(weights[row]):
            if weight >= FAINT:
                about = escape(f"{character} looks at {read[column]}: {weight:.0%}")
                parts.append(
                    f'<rect x="{MARGIN + CELL * column}" y="{MARGIN + CELL * row}" width="{CELL}" height="{CELL}" '
                    f'fill="rgb{HIGH}" fill-opacity="{weight:.2f}"><title>{about}</title></rect>'
                )
    grid = f"M{MARGIN} {MARGIN}h{CELL * len(read)}v{CELL * len(written)}h-{CELL * len(read)}z"
    parts.append(f'<path d="{grid}" fill="none" stroke="currentColor" opacity=".3"/>')
    label = f"How '{written}' (rows) was written while looking at '{read}' (columns)"
    return svg(width, height, label, parts, f'width="{width}" height="{height}" font-family="monospace" font-size="14"')


def svg(width: int, height: int, label: str, parts: Sequence[str], attributes: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label, quote=True)}" color="#777" {attributes}>{"".join(parts)}</svg>'
    )


def text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{escape(words)}</text>'
