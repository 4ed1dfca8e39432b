"""From a photo's number in a data set to the name of its file."""

import os
from collections.abc import Sequence
from pathlib import Path

from vqa.errors import InputError

SUFFIXES = (".jpg", ".webp", ".png", ".jpeg")


class PhotoNames:
    """Finds photos in a folder that is listed once, by the patterns that their names may follow.

    Args:
        images: the folder of the photos; without it nothing can be looked up.
        patterns: names without suffix with a place for the number, as "COCO_train2014_{:012d}".

    Raises:
        InputError: `images` cannot be listed.
    """

    def __init__(self, images: Path | None, patterns: Sequence[str]) -> None:
        self._folder = images
        self._patterns = tuple(pattern + suffix for pattern in patterns for suffix in SUFFIXES)
        try:
            self._present = frozenset(os.listdir(images)) if images is not None else frozenset()
        except OSError as error:
            raise InputError(f"The folder of photos {images} cannot be read: {error.strerror}.") from error

    def __call__(self, number: int) -> str:
        """The path of photo `number`: the first pattern that is there, or the first of all if none is."""
        names = (pattern.format(number) for pattern in self._patterns)
        name = next((name for name in names if name in self._present), self._patterns[0].format(number))
        return name if self._folder is None else os.path.join(self._folder, name)
