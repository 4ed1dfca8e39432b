"""Photos to start with, each with questions that fit it."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ui import STATIC

GENERAL = (
    "what is this?",
    "what color is it?",
    "how many people are there?",
    "is this outside?",
    "what is the man doing?",
)


class Example(NamedTuple):
    """A photo's file and questions about it."""

    photo: Path
    questions: tuple[str, ...]


# Photos of scikit-image, all CC0 or in the public domain.
PHOTOS = (
    ("chelsea.png", ("what animal is this?", "what color is the cat?", "is the cat sleeping?")),
    ("coffee.png", ("what is in the cup?", "what color is the cup?", "what is next to the cup?", "is there a spoon?")),
    ("astronaut.png", ("what is the woman wearing?", "is the woman smiling?", "what color is the suit?")),
    ("rocket.jpg", ("what is this?", "is it daytime?", "what color is the sky?")),
)
# Our own drawings.
DRAWINGS = (
    ("red-circle.webp", ("what color is the circle?", "what shape is this?", "is there a circle?")),
    ("blue-and-yellow.webp", ("what color is the square?", "how many shapes are there?", "is there a triangle?")),
)


@cache
def examples() -> tuple[Example, ...]:
    """The photos of scikit-image, if it is installed, and our own drawings."""
    package = importlib.util.find_spec("skimage")
    photos = Path(package.origin).parent / "data" if package and package.origin else Path("none")
    files = [(photos / name, questions) for name, questions in PHOTOS]
    files += [(STATIC / "examples" / name, questions) for name, questions in DRAWINGS]
    return tuple(Example(*file) for file in files if file[0].is_file())
