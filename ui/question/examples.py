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


# Photos of scikit-image, all CC0 or in the public domain. The bundled model's answers are right.
PHOTOS = (
    ("chelsea.png", ("what animal is this?", "how many cats are there?", "is there a person?")),
    (
        "coffee.png",
        ("what is in the cup?", "how many cups are there?", "what is the table made of?", "is there a spoon?"),
    ),
    ("astronaut.png", ("is there a person?", "is the woman smiling?", "what color is the suit?")),
    ("rocket.jpg", ("what color is the sky?", "is there a person?", "are there clouds?")),
)
# Our own drawings. The bundled model misses the triangle when asked for it: drawings are unlike its training photos.
DRAWINGS = (
    ("red-circle.webp", ("what color is the circle?", "is there a circle?", "is there a person?")),
    ("blue-and-yellow.webp", ("what color is the triangle?", "is there a triangle?", "is there a cat?")),
)


@cache
def examples() -> tuple[Example, ...]:
    """The photos of scikit-image, if it is installed, and our own drawings."""
    package = importlib.util.find_spec("skimage")
    photos = Path(package.origin).parent / "data" if package and package.origin else Path("none")
    files = [(photos / name, questions) for name, questions in PHOTOS]
    files += [(STATIC / "examples" / name, questions) for name, questions in DRAWINGS]
    return tuple(Example(*file) for file in files if file[0].is_file())
