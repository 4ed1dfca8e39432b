"""Scenes of coloured shapes with exact positions: generated from a seed, and drawn."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa.model.errors import InputError

Seed = int | tuple[int, ...]
RGB = tuple[int, int, int]
Floats = NDArray[np.floating]

SHAPES = ("circle", "square", "triangle", "cross")
PAINT: dict[str, RGB] = {
    "red": (210, 35, 40),
    "orange": (245, 130, 20),
    "yellow": (240, 220, 40),
    "green": (40, 155, 60),
    "blue": (40, 80, 215),
    "purple": (135, 45, 175),
    "pink": (250, 130, 190),
    "black": (25, 25, 30),
}
"""Colour name to red, green, blue; a generated shape differs from it by at most `JITTER` in each."""
COLOURS = tuple(PAINT)
JITTER = 14
MIN_SIZE, MAX_SIZE = 32, 4096  # pixels


def random_stream(seed: Seed, stream: int) -> np.random.Generator:
    """Generator of `SeedSequence(seed)`; `stream` keeps uses of one seed independent (0 scene, 1 questions).

    Raises `InputError` if `seed` has a part of more than 32 bits, which `SeedSequence` would split, so that two seeds
    could share scenes.
    """
    words = seed if isinstance(seed, tuple) else (seed,)
    if not all(isinstance(word, int | np.integer) and 0 <= word < 2**32 for word in words):
        raise InputError(f"The seed is {seed!r}; give a whole number from 0 to {2**32 - 1}.")
    return np.random.default_rng(np.random.SeedSequence(words, spawn_key=(stream,)))


@dataclass(frozen=True, slots=True)
class Shape:
    """One drawn shape: centre (`x`, `y`) and `size` (width and height) in pixels, x right, y down."""

    shape: str
    colour: str
    rgb: RGB
    size: float
    x: float
    y: float

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in whole pixels, x1 and y1 exclusive: holds every pixel of the shape."""
        x, y, r = self.x, self.y, self.size / 2
        return math.floor(x - r), math.floor(y - r), math.ceil(x + r), math.ceil(y + r)


@dataclass(frozen=True, slots=True)
class Scene:
    """A square picture, `size` pixels wide: shapes on a plain background.

    Raises `InputError` for an unknown shape or colour, or a shape that extends beyond the picture.
    """

    size: int
    background: RGB
    shapes: tuple[Shape, ...]

    def __post_init__(self) -> None:
        for i, s in enumerate(self.shapes):
            if s.shape not in SHAPES or s.colour not in COLOURS:
                known = f"{', '.join(SHAPES)} in {', '.join(COLOURS)}"
                raise InputError(f"Shape {i} is a {s.colour} {s.shape}; the world has {known}.")
            if min(s.box) < 0 or max(s.box) > self.size:
                raise InputError(f"Shape {i} has box {s.box}; keep it within 0 and {self.size} pixels.")


def make_scene(seed: Seed, size: int = 64) -> Scene:
    """Scene of 3 to 8 shapes in a picture `size` pixels wide, at least one pixel apart.

    Colours come from a palette drawn for the scene, so that some are shared. Shapes are 14 to 23 % of the picture wide.
    Raises `InputError` if `size` is not in 32..4096, or `seed` is not of whole numbers from 0 to 2**32 - 1.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise InputError(f"A scene is {MIN_SIZE} to {MAX_SIZE} pixels wide, not {size}; choose a width in this range.")
    rng = random_stream(seed, 0)
    count = int(rng.integers(3, 9))
    grey = rng.integers(200, 232)
    background = _rgb(grey + rng.integers(-8, 9, size=3))
    palette = rng.permutation(len(COLOURS))[: rng.integers(3, len(COLOURS) + 1)]
    kinds = [(SHAPES[rng.integers(len(SHAPES))], COLOURS[rng.choice(palette)]) for _ in range(count)]
    rgbs = [_rgb(np.array(PAINT[c]) + rng.integers(-JITTER, JITTER + 1, size=3)) for _, c in kinds]
    placed: list[Shape] = []
    while len(placed) < count:
        placed = []
        for (shape, colour), rgb in zip(kinds, rgbs, strict=True):
            tries = (_place(shape, colour, rgb, size, *where) for where in rng.random((50, 3)).tolist())
            candidate = next((t for t in tries if not any(_touch(t.box, other.box) for other in placed)), None)
            if candidate is None:
                break  # no room left: start over
            placed.append(candidate)
    return Scene(size, background, tuple(placed))


def _rgb(values: NDArray[np.int64]) -> RGB:
    r, g, b = np.clip(values, 0, 255).tolist()
    return r, g, b


def _place(shape: str, colour: str, rgb: RGB, size: int, a: float, b: float, c: float) -> Shape:
    """Shape whose width, x and y follow from three numbers in [0, 1)."""
    width = round(size * (0.14 + 0.09 * a), 2)
    free = size - width - 2
    return Shape(shape, colour, rgb, width, round(1 + width / 2 + b * free, 2), round(1 + width / 2 + c * free, 2))


def _touch(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether boxes overlap or touch: between shapes lies at least one pixel of background."""
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def draw(scene: Scene) -> NDArray[np.uint8]:
    """The picture, uint8 (H, W, 3), anti-aliased; a shape changes no pixel outside its box."""
    image = np.empty((scene.size, scene.size, 3), np.uint8)
    image[:] = scene.background
    for s in scene.shapes:
        x0, y0, x1, y1 = s.box
        # distance of pixel centres from the shape's centre: a row and a column that broadcast to (h, w)
        dx = np.abs(np.arange(x0, x1)[None, :] + 0.5 - s.x)
        dy = np.arange(y0, y1)[:, None] + 0.5 - s.y
        ink = _coverage(s.shape, dx, dy, s.size / 2)[..., None]
        patch = image[y0:y1, x0:x1]
        patch[:] = np.rint(patch + ink * (np.array(s.rgb) - patch))
    return image


def _coverage(shape: str, dx: Floats, dy: Floats, r: float) -> Floats:
    """Fraction of each pixel that the shape covers, (h, w) in 0..1, from the signed distance to its outline.

    `dx` (1, w) is absolute, as every shape is symmetric; `r` is half the shape's width.
    """
    if shape == "circle":
        inside = r - np.sqrt(dx * dx + dy * dy)
    elif shape == "square":
        inside = r - np.maximum(dx, np.abs(dy))
    elif shape == "triangle":  # apex up: the slanted sides have slope 2
        inside = np.minimum(r - dy, ((dy + r) / 2 - dx) * (2 / 5**0.5))
    else:  # cross: two bars, a third as wide as long
        dy = np.abs(dy)
        inside = np.minimum(r - np.maximum(dx, dy), r / 3 - np.minimum(dx, dy))
    return np.clip(inside + 0.5, 0, 1)
