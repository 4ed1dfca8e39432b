"""Where the model looked, as a picture and in words."""

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vqa.data.files import whole_file
from vqa.model.errors import InputError
from vqa.model.text import peak_place

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
PANEL = 420  # pixels of a panel's longer side
ROW = 5  # panels beside each other
SHORTEST = 40  # and of its shorter one, however thin the photo
MARGIN = 14
INK, FAINT, EDGE, PAPER = (30, 30, 36), (95, 95, 105), (205, 205, 210), (255, 255, 255)

# Inferno in nine steps: its lightness rises evenly, so it reads the same for colour-blind eyes and in print
# (Smith & van der Walt 2015).
INFERNO = np.array(
    [
        (0, 0, 3),
        (31, 12, 71),
        (85, 15, 109),
        (136, 33, 106),
        (186, 54, 85),
        (227, 88, 50),
        (249, 140, 9),
        (248, 201, 49),
        (252, 254, 164),
    ],
    dtype=float,
)


def overlay(
    photo: Image.Image, attention: np.ndarray, question: str = "", answer: str = "", names: Sequence[str] = ()
) -> Image.Image:
    """The photo, and beside it each glimpse's attention as heat over the photo, on one colour scale.

    photo: of any shape and size; attention: `(G, h, w)` or one map `(h, w)`, each summing to 1 over it.
    question, answer: a caption, if given; names: what each map is called, where it is no glimpse but a word, say.
    Returns an RGB picture of about 420 pixels a panel, five panels a row.
    Raises `ValueError` for another shape of `attention`.
    """
    maps = np.asarray(attention, dtype=np.float64)
    maps = maps[None] if maps.ndim == 2 else maps
    if maps.ndim != 3 or 0 in maps.shape:
        raise ValueError(f"Attention is (G, h, w) or (h, w), not {attention.shape}.")
    # An even map is to look even, not hot everywhere: the scale reaches twice an even share at least.
    top = max(float(maps.max()), 2 / maps[0].size)
    size = panel_size(photo)
    photo = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    names = names or ([f"glimpse {g}" for g in range(1, len(maps) + 1)] if len(maps) > 1 else ["attention"])
    titles = [f"{name}: {peak_place(weights)}" for name, weights in zip(names, maps, strict=True)]
    pictures = [photo] + [heat(photo, weights / top) for weights in maps]
    return _page(pictures, ["photo", *titles], top, question, answer)


def heat(photo: Image.Image, weights: np.ndarray) -> Image.Image:
    """One map `(h, w)` of weights in [0, 1] as heat over an RGB photo, greyed and darkened below it.

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
    """Width and height of a panel: the photo's proportions, unless it is thinner than can be seen."""
    scale = PANEL / max(photo.size)
    width, height = (max(SHORTEST, round(side * scale)) for side in photo.size)
    return width, height


def check_picture_path(path: str | Path) -> Path:
    """The path itself, or an `InputError` that says why no picture can be written there."""
    path = Path(path)
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(
            f"The picture {path} would be of no known kind; end its name in {', '.join(PICTURE_SUFFIXES)}."
        )
    if not os.path.isdir(path.parent):  # which, unlike Path.is_dir, never raises
        raise InputError(f"There is no folder {path.parent} for the picture {path.name}; make it or name another.")
    if os.path.isdir(path) or not os.access(path.parent, os.W_OK):
        raise InputError(f"The picture {path} cannot be written; name a file in a folder of yours.")
    return path


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a picture in the format that its suffix names: whole or not at all."""
    path = check_picture_path(path)
    try:
        with whole_file(path) as new:
            picture.save(new)
    except OSError as error:
        raise InputError(
            f"The picture {path} cannot be written ({error.strerror or error}); choose another place."
        ) from error


def _page(panels: list[Image.Image], titles: list[str], top: float, question: str, answer: str) -> Image.Image:
    """Caption, panels under their titles, colour bar: laid out from top to bottom."""
    small, large = ImageFont.load_default(15), ImageFont.load_default(20)
    width, height = panels[0].size
    column = max(width, 160)  # a thin panel still leaves room for its title
    inside = max(min(len(panels), ROW) * (column + MARGIN) - MARGIN, 400)
    rows = -(-len(panels) // ROW)
    lines = [(line, INK) for line in wrap(question, large, inside)]
    lines += [(line, FAINT) for line in wrap(answer, large, inside)]
    first = MARGIN + 26 * len(lines) + (6 if lines else 0)
    tall = 24 + height  # a row: titles and panels
    page = Image.new("RGB", (inside + 2 * MARGIN, first + rows * tall + (rows - 1) * MARGIN + 48), PAPER)
    draw = ImageDraw.Draw(page)
    for row, (line, ink) in enumerate(lines):
        draw.text((MARGIN, MARGIN + 26 * row), line, ink, large)
    for k, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        left, upper = MARGIN + k % ROW * (column + MARGIN), first + 24 + k // ROW * (tall + MARGIN)
        draw.text((left, upper - 24), title, FAINT, small)
        draw.rectangle((left - 1, upper - 1, left + width, upper + height), outline=EDGE)
        page.paste(panel, (left, upper))
    y = page.height - 32
    draw.text((MARGIN, y - 2), "0 %", FAINT, small)
    bar = colours(np.linspace(0, 1, 150))[None].repeat(14, 0)
    page.paste(Image.fromarray(bar.astype(np.uint8)), (MARGIN + 34, y))
    draw.text((MARGIN + 192, y - 2), f"{100 * top:.3g} % of the attention in one cell", FAINT, small)
    return page


def wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """`text` in lines of at most `width` pixels."""
    columns = max(int(width / font.getlength("n")), 8)
    lines = textwrap.wrap(text, columns)
    while columns > 8 and any(font.getlength(line) > width for line in lines):
        columns -= 4
        lines = textwrap.wrap(text, columns)
    return lines
