"""Which characters a repair looked at, as a picture. All text is escaped."""

from collections.abc import Sequence
from html import escape
from xml.sax.saxutils import quoteattr

from vqa.inside.pictures import HIGH

CELL, MARGIN = 18, 30
FAINT = 0.02  # weights below are not drawn


def alignment_picture(read: str, written: str, weights: Sequence[Sequence[float]]) -> str:
    """The alignment matrix as SVG: a row a character that was written, from above, a column one that was read; the
    darker a place, the more the row's character looked at the column's.

    weights: `len(written)` rows of `len(read)` numbers from 0 to 1.
    """
    width, height = (MARGIN + CELL * len(text) + 4 for text in (read, written))
    parts = []
    for column, character in enumerate(read):
        parts.append(letter(MARGIN + CELL * (column + 0.5), MARGIN - 10, character))
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
    told = quoteattr(f"How '{written}' (rows) was written while looking at '{read}' (columns)")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label={told} font-family="monospace" font-size="14" color="#777">{"".join(parts)}</svg>'
    )


def letter(x: float, y: float, character: str) -> str:
    """One character at its place; a space is drawn as a bracket on the line, or nobody would see it."""
    shown = escape("\u2423" if character == " " else character)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="currentColor">{shown}</text>'
