"""From a photo's number in a data set to the name of its file."""

import os
from collections.abc import Sequence
from pathlib import Path

from vqa.data.files import file_errors

SUFFIXES = (".jpg", ".webp", ".png", ".jpeg")


class PhotoNames:
    """Finds photos by their number in a folder that is listed once.

    Args:
        images: the folder of the photos; without it only names are given.
        prefixes: what may precede the number of twelve digits, such as "COCO_train2014_".

    Raises `InputError` if `images` cannot be listed.
    """

    def __init__(self, images: Path | None, prefixes: Sequence[str]) -> None:
        self._folder = images or ""
        self._prefixes = prefixes
        self._names = photos_by_stem(images) if images is not None else {}

    def __call__(self, number: int) -> str:
        """The path of photo `number`: the first existing name, or the first possible one if none exists."""
        stems = [f"{prefix}{number:012d}" for prefix in self._prefixes]
        names = (self._names[stem] for stem in stems if stem in self._names)
        return os.path.join(self._folder, next(names, stems[0] + SUFFIXES[0]))


def photos_by_stem(images: Path) -> dict[str, str]:
    """The names of the photos in a folder by their stem; of several suffixes the first in `SUFFIXES` counts.

    Raises `InputError` if the folder cannot be listed.
    """
    with file_errors(f"The folder of photos {images} cannot be read", "check its name and permissions"):
        names = os.listdir(images)
    by_suffix = {suffix: [name for name in names if name.endswith(suffix)] for suffix in reversed(SUFFIXES)}
    return {name.removesuffix(suffix): name for suffix, group in by_suffix.items() for name in group}
