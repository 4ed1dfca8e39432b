"""From a photo's number in a data set to the name of its file."""

import os
from collections.abc import Sequence
from pathlib import Path

from vqa.model.errors import InputError

SUFFIXES = (".jpg", ".webp", ".png", ".jpeg")


class PhotoNames:
    """Finds photos in a folder that is listed once.

    Args:
        images: the folder of the photos; without it nothing can be looked up.
        prefixes: what may stand before the number of twelve digits, as "COCO_train2014_".

    Raises:
        InputError: `images` cannot be listed.
    """

    def __init__(self, images: Path | None, prefixes: Sequence[str]) -> None:
        self._folder = images
        self._prefixes = prefixes
        self._present = frozenset(list_names(images)) if images is not None else frozenset()

    def __call__(self, number: int) -> str:
        """The path of photo `number`: the first name that is there, or the first of all if none is."""
        stems = [f"{prefix}{number:012d}" for prefix in self._prefixes]
        names = (stem + suffix for stem in stems for suffix in SUFFIXES)
        name = next((name for name in names if name in self._present), stems[0] + SUFFIXES[0])
        return name if self._folder is None else os.path.join(self._folder, name)


def list_names(images: Path) -> list[str]:
    """The names in the folder of the photos. Raises `InputError` if it cannot be listed."""
    try:
        return os.listdir(images)
    except OSError as error:
        raise InputError(
            f"The folder of photos {images} cannot be read: {error.strerror}; check its name and rights."
        ) from error
