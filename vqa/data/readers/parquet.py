"""Parquet: tables with any usual names of columns, and with photos by name or with the pictures inside.

Pictures are inside as on the Hugging Face Hub: a struct of the picture's `bytes` and its `path`, or the bytes alone.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqa.data.examples import Example, example_from_dict
from vqa.data.files import file_errors, whole_file
from vqa.data.readers.official import whole_number
from vqa.data.readers.photo_names import PhotoNames, photos_by_stem
from vqa.data.readers.rows import columns, usual
from vqa.model.errors import InputError
from vqa.model.photos import SUFFIXES

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

ROWS_A_BATCH = 32  # some 5 MB with pictures inside
_PREFIXES = ("", "COCO_train2014_", "COCO_val2014_", "COCO_test2015_")
_TEXT = re.compile(r"(list<\w+: |dictionary<values=)?(large_)?string")
_STARTS = {rb"\xff\xd8\xff": ".jpg", rb"\x89PNG\r\n\x1a\n": ".png", rb"RIFF....WEBP": ".webp"}


def read_parquet(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a Parquet file, or of a folder's *.parquet in the order of their names.

    The columns are found as `vqa.data.readers.rows.columns` describes. Pictures inside are not read if `images` is
    given: a photo is then the file there that is named by its `image_id`, as for the official files, or by its `path`.
    Otherwise each is unpacked once into a folder beside the data (val.parquet into val.photos/000000000025.jpg, without
    a numeric image_id into a name by its content); existing files are not overwritten. Raises `InputError` if pyarrow
    is not installed, a file is not as expected, a row lacks its question or its photo, or the photos cannot be
    unpacked.
    """
    shards = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not shards:
        raise InputError(f"The folder {path} holds no *.parquet: give one that does, or a file.")
    beside = Path(os.path.abspath(path))
    photos = Photos(beside.with_name((beside.name if path.is_dir() else beside.stem) + ".photos"), images)
    for shard in shards:
        with opened(shard) as file:
            yield from _read(file, shard, photos)


@contextmanager
def opened(path: Path) -> Iterator["ParquetFile"]:
    """The open file; errors of pyarrow while it is read become an `InputError`."""
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError(f"Reading {path} needs pyarrow: run `pip install pyarrow`.") from error
    try:
        # With a buffer, a column is not read whole: a group of rows may hold gigabytes of pictures.
        with ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            yield file
    except InputError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).split("\n")[0].rstrip(".")
        raise InputError(f"{path} cannot be read as Parquet ({reason:.200}): check it or download it again.") from error


def _read(file: "ParquetFile", path: Path, photos: "Photos") -> Iterator[Example]:
    schema = file.schema_arrow
    fields = columns(tuple(schema.names), path)
    name_of = {field: name for name, field in fields.items()}
    kind_of = {field: str(schema.field(name).type) for name, field in fields.items()}
    numbered = kind_of.get("image_id", "").startswith("int")
    for field in ("image", "question"):
        if field not in name_of and not (field == "image" and numbered and photos.images):
            raise InputError(
                f"{path} has no column '{field}' (it has: {', '.join(schema.names) or 'none'}): give a table with the "
                "columns image, question and answer."
            )
    inside = not _TEXT.match(kind_of.get("image", ""))
    number = 0
    for group in range(file.num_row_groups):
        wanted = list(fields)
        if inside and numbered and "image" in name_of:
            ids = (row[name_of["image_id"]] for row in _rows(file, group, [name_of["image_id"]]))
            if all(image_id in photos for image_id in ids):
                wanted.remove(name_of["image"])  # pictures are large
        for row in _rows(file, group, wanted):
            number += 1
            where = f"Row {number} of {path}"
            named = {fields[name]: cell for name, cell in row.items()}
            if inside:
                image_id = whole_number(named, "image_id", where) if numbered else None
                named["image"] = photos(image_id, named.get("image"), where)
            yield example_from_dict(usual(named), where, None if inside else photos.images)


def _rows(file: "ParquetFile", group: int, names: list[str]) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(ROWS_A_BATCH, row_groups=[group], columns=names, use_threads=False):
        yield from batch.to_pylist()


class Photos:
    """The photos of a table: those in the folder `images`; without it in `folder`, which is filled as they are read."""

    def __init__(self, folder: Path, images: Path | None = None) -> None:
        self.images = images
        self._folder = folder
        self._names = photos_by_stem(folder) if images is None and folder.is_dir() else {}
        self._numbered = None if images is None else PhotoNames(images, _PREFIXES)

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, int) and (self.images is not None or f"{image_id:012d}" in self._names)

    def __call__(self, image_id: int | None, picture: Any, where: str) -> str:
        """The path of a photo: by its number, else by the path or the content of the picture, which is a mapping of
        `bytes` and `path` or the bytes alone. It is written if it does not exist yet, whole or not at all."""
        if self._numbered is not None and image_id is not None:
            return self._numbered(image_id)
        if isinstance(picture, list) and len(picture) == 1:
            picture = picture[0]
        picture = picture if isinstance(picture, Mapping) else {"bytes": picture}
        content, origin = picture.get("bytes") or b"", picture.get("path")
        if self.images is not None and origin:
            return os.path.join(self.images, origin)
        stem = f"{image_id:012d}" if image_id is not None else hashlib.blake2b(content, digest_size=8).hexdigest()
        if stem not in self._names:
            if not content:
                if origin and os.path.isfile(origin):
                    return str(origin)
                raise InputError(f"{where} has no picture inside: name the folder of the photos, or delete the row.")
            name = stem + _suffix(origin, content, where)
            advice = "move the data to a folder with space and write permission, or name a folder of photos"
            with file_errors(f"The photo {name} cannot be unpacked into {self._folder}", advice):
                self._folder.mkdir(exist_ok=True)
                with whole_file(self._folder / name) as new:
                    new.write_bytes(content)
            self._names[stem] = name
        return str(self._folder / self._names[stem])


def _suffix(origin: str | None, content: bytes, where: str) -> str:
    suffix = os.path.splitext(origin or "")[1].lower()
    if suffix in SUFFIXES:
        return suffix
    for start, suffix in _STARTS.items():
        if re.match(start, content, re.DOTALL):
            return suffix
    raise InputError(f"{where}: the picture inside is not JPEG, PNG or WebP: save it as one of these.")
