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
    """A name, a photo's file, and questions about it."""

    name: str
    photo: Path
    questions: tuple[str, ...]


# Photos of scikit-image, all CC0 or in the public domain. The bundled model's answers are right.
PHOTOS = (
    ("a cat", "chelsea.png", ("what animal is this?", "how many cats are there?", "is there a person?")),
    (
        "a coffee",
        "coffee.png",
        ("what is in the cup?", "how many cups are there?", "what is the table made of?", "is there a spoon?"),
    ),
    ("an astronaut", "astronaut.png", ("is there a person?", "is the woman smiling?", "what color is the suit?")),
    ("a rocket", "rocket.jpg", ("what color is the sky?", "is there a person?", "are there clouds?")),
)
# Our own drawings. The bundled model misses the triangle when asked for it: drawings are unlike its training photos.
DRAWINGS = (
    ("a red circle", "red-circle.webp", ("what color is the circle?", "is there a circle?", "is there a person?")),
    ("shapes", "blue-and-yellow.webp", ("what color is the triangle?", "is there a triangle?", "is there a cat?")),
)


@cache
def examples() -> tuple[Example, ...]:
    """The photos of scikit-image, if it is installed, and our own drawings."""
    package = importlib.util.find_spec("skimage")
    photos = Path(package.origin).parent / "data" if package and package.origin else Path("none")
    found = [Example(name, photos / file, questions) for name, file, questions in PHOTOS]
    found += [Example(name, STATIC / "examples" / file, questions) for name, file, questions in DRAWINGS]
    return tuple(example for example in found if example.photo.is_file())
