"""Attention as heat over a photo: a picture with a panel for each map."""

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vqa.data.files import file_errors, whole_file
from vqa.model.errors import InputError
from vqa.model.text import peak_place

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
PANEL = 420  # pixels of a panel's longer side
ROW = 5  # panels in a row
SHORTEST = 40  # pixels of its shorter side, at least
MARGIN = 14
INK, FAINT, EDGE, PAPER = (30, 30, 36), (95, 95, 105), (205, 205, 210), (255, 255, 255)

# Inferno in nine steps: its lightness rises evenly, so it reads the same for colour-blind eyes and in print
# (Smith & van der Walt 2015).
INFERNO = np.frombuffer(bytes.fromhex("000003 1f0c47 550f6d 88216a ba3655 e35832 f98c09 f8c931 fcfea4"), np.uint8)
INFERNO = INFERNO.reshape(-1, 3).astype(float)


def overlay(
    photo: Image.Image, attention: np.ndarray, question: str = "", answer: str = "", names: Sequence[str] = ()
) -> Image.Image:
    """The photo, and beside it each glimpse's attention as heat over the photo, with a common colour scale.

    photo: of any shape and size; attention: `(G, h, w)` or one map `(h, w)`, each summing to 1 over it.
    question, answer: a caption, if given; names: the maps' titles, where they belong to words instead of glimpses.
    Returns an RGB picture of about 420 pixels a panel, five panels a row.
    Raises `ValueError` for another shape of `attention`.
    """
    maps = np.asarray(attention, dtype=np.float64)
    maps = maps[None] if maps.ndim == 2 else maps
    if maps.ndim != 3 or 0 in maps.shape:
        raise ValueError(f"Attention is (G, h, w) or (h, w), not {attention.shape}.")
    # The scale reaches twice an even share at least, so that an even map is not rendered as hot everywhere.
    top = max(float(maps.max()), 2 / maps[0].size)
    size = panel_size(photo)
    photo = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    names = names or ([f"glimpse {g}" for g in range(1, len(maps) + 1)] if len(maps) > 1 else ["attention"])
    titles = [f"{name}: {peak_place(weights)}" for name, weights in zip(names, maps, strict=True)]
    pictures = [photo] + [heat(photo, weights / top) for weights in maps]
    return _page(pictures, ["photo", *titles], top, question, answer)


def heat(photo: Image.Image, weights: np.ndarray) -> Image.Image:
    """One map `(h, w)` of weights in [0, 1] as heat over an RGB photo, which is greyed and darkened.

    Cell (i, j) lies over its own part of the photo: row i's height from i/h to (i+1)/h, and so with columns.
    """
    grey = photo.convert("L").convert("RGB")
    base = 0.62 * np.asarray(Image.blend(photo, grey, 0.75), dtype=float)
    coarse = Image.fromarray(np.asarray(weights, dtype=np.float32))
    smooth = np.asarray(coarse.resize(photo.size, Image.Resampling.BICUBIC)).clip(0, 1)
    alpha = 0.65 * np.sqrt(smooth)[..., None]
    return Image.fromarray(((1 - alpha) * base + alpha * colours(smooth)).round().astype(np.uint8))


def colours(values: np.ndarray) -> np.ndarray:
    """Values in [0, 1], `(…)`, to colours `(…, 3)` in 0 to 255."""
    steps = np.linspace(0, 1, len(INFERNO))
    return np.stack([np.interp(values, steps, channel) for channel in INFERNO.T], -1)


def panel_size(photo: Image.Image) -> tuple[int, int]:
    """Width and height of a panel: the photo's proportions, but at least `SHORTEST` pixels a side."""
    scale = PANEL / max(photo.size)
    width, height = (max(SHORTEST, round(side * scale)) for side in photo.size)
    return width, height


def check_picture_path(path: str | Path, photo: str | Path) -> None:
    """Raises `InputError` if no picture can be written there, or it would replace the file `photo` under it."""
    path = Path(path)
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"The picture {path} has no known format; end its name in {', '.join(PICTURE_SUFFIXES)}.")
    if not os.path.isdir(path.parent):  # Path.is_dir may raise
        raise InputError(f"There is no folder {path.parent} for the picture {path.name}; create it or name another.")
    if os.path.isdir(path) or not os.access(path.parent, os.W_OK):
        raise InputError(f"The picture {path} cannot be written; name a file in a folder that you may write to.")
    if os.path.exists(path) and os.path.samefile(path, photo):
        raise InputError(f"The picture {path} would replace the photo; name another file.")


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a picture to a path that `check_picture_path` accepts, in its suffix's format: whole or not at all."""
    with file_errors(f"The picture {path} cannot be written", "choose another folder"), whole_file(Path(path)) as new:
        picture.save(new)


def _page(panels: list[Image.Image], titles: list[str], top: float, question: str, answer: str) -> Image.Image:
    """Caption, panels under their titles, colour bar: laid out from top to bottom."""
    title_font, text_font = ImageFont.load_default(15), ImageFont.load_default(20)
    width, height = panels[0].size
    column = max(width, 160)  # room for the title of a thin panel
    inside = max(min(len(panels), ROW) * (column + MARGIN) - MARGIN, 400)
    rows = -(-len(panels) // ROW)
    lines = [(line, INK) for line in wrap(question, text_font, inside)]
    lines += [(line, FAINT) for line in wrap(answer, text_font, inside)]
    first = MARGIN + 26 * len(lines) + (6 if lines else 0)
    row_height = 24 + height  # titles and panels
    page = Image.new("RGB", (inside + 2 * MARGIN, first + rows * row_height + (rows - 1) * MARGIN + 48), PAPER)
    draw = ImageDraw.Draw(page)
    for row, (line, ink) in enumerate(lines):
        draw.text((MARGIN, MARGIN + 26 * row), line, ink, text_font)
    for k, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        left, upper = MARGIN + k % ROW * (column + MARGIN), first + 24 + k // ROW * (row_height + MARGIN)
        draw.text((left, upper - 24), title, FAINT, title_font)
        draw.rectangle((left - 1, upper - 1, left + width, upper + height), outline=EDGE)
        page.paste(panel, (left, upper))
    y = page.height - 32
    draw.text((MARGIN, y - 2), "0 %", FAINT, title_font)
    bar = colours(np.linspace(0, 1, 150))[None].repeat(14, 0)
    page.paste(Image.fromarray(bar.astype(np.uint8)), (MARGIN + 34, y))
    draw.text((MARGIN + 192, y - 2), f"{100 * top:.3g} % of the attention in one cell", FAINT, title_font)
    return page


def wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """`text` in lines of at most `width` pixels."""
    columns = max(int(width / font.getlength("n")), 8)
    lines = textwrap.wrap(text, columns)
    while columns > 8 and any(font.getlength(line) > width for line in lines):
        columns -= 4
        lines = textwrap.wrap(text, columns)
    return lines
