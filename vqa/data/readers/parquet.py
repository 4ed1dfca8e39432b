"""Parquet: VQA v2 as on the Hugging Face Hub, with the pictures inside, and plain tables of one's own.

The first is the schema of the data set lmms-lab/VQAv2: the columns of the official annotations, and `image`, a struct
of the picture's `bytes` and its `path`. The second is a table with the columns of `Example`, where `image` is text.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqa.data.examples import Example, example_from_dict
from vqa.data.files import file_errors, whole_file
from vqa.data.readers.official import annotation_fields, whole_number
from vqa.data.readers.photo_names import SUFFIXES, PhotoNames, photos_by_stem
from vqa.model.errors import InputError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

ROWS_A_BATCH = 32  # some 5 MB with pictures inside
_PREFIXES = ("", "COCO_train2014_", "COCO_val2014_", "COCO_test2015_")
_NEEDED = ("image_id", "question_id", "question")
_OPTIONAL = ("multiple_choice_answer", "answers", "question_type", "answer_type")
_STARTS = {rb"\xff\xd8\xff": ".jpg", rb"\x89PNG\r\n\x1a\n": ".png", rb"RIFF....WEBP": ".webp"}


def read_parquet(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a Parquet file, or of a folder's *.parquet in the order of their names.

    Pictures inside are not read if `images` is given: a photo is then the file there that is named by its `image_id`,
    as for the official files. Otherwise each is unpacked once into a folder beside the data (val.parquet into
    val.photos/000000000025.jpg); existing files are not overwritten. Raises `InputError` if pyarrow is not installed, a
    file is not as expected, a row lacks its question or its photo, or the photos cannot be unpacked.
    """
    shards = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not shards:
        raise InputError(f"The folder {path} holds no *.parquet: give one that does, or a file.")
    beside = Path(os.path.abspath(path))
    photos: PhotoNames | _Unpacked
    if images is None:
        photos = _Unpacked(beside.with_name((beside.name if path.is_dir() else beside.stem) + ".photos"))
    else:
        photos = PhotoNames(images, _PREFIXES)
    for shard in shards:
        with _opened(shard) as file:
            if _kind_of_image(file) == "text":
                yield from _read_plain(file, shard, images)
            else:
                yield from _read_vqa(file, shard, photos)


@contextmanager
def _opened(path: Path) -> Iterator["ParquetFile"]:
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


def _kind_of_image(file: "ParquetFile") -> str:
    """What the column `image` holds: "text", "struct" or something else."""
    index = file.schema_arrow.get_field_index("image")
    kind = str(file.schema_arrow.types[index]) if index >= 0 else "none"
    return "text" if re.match(r"(large_)?string$|dictionary<values=(large_)?string,", kind) else kind.split("<")[0]


def _rows(file: "ParquetFile", groups: list[int], columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(ROWS_A_BATCH, row_groups=groups, columns=columns, use_threads=False):
        yield from batch.to_pylist()


def _columns(file: "ParquetFile", path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> list[str]:
    """The needed columns and those of the optional ones that exist. Raises `InputError` if a needed one is missing."""
    present = file.schema_arrow.names
    if missing := [name for name in needed if name not in present]:
        raise InputError(
            f"{path} has no column '{missing[0]}' (it has: {', '.join(present) or 'none'}): give a table "
            "with the columns image and question, or one like lmms-lab/VQAv2."
        )
    return [*needed, *(name for name in optional if name in present)]


def _read_plain(file: "ParquetFile", path: Path, images: Path | None) -> Iterator[Example]:
    needed = ("image", "question")
    columns = _columns(file, path, needed, tuple(f.name for f in fields(Example) if f.name not in needed))
    for number, row in enumerate(_rows(file, list(range(file.num_row_groups)), columns), start=1):
        if isinstance(scores := row.get("answer_scores"), list | dict):
            # A map is read as pairs; a struct has all answers of the table in each row, most of them null.
            row["answer_scores"] = {answer: score for answer, score in dict(scores).items() if score is not None}
        yield example_from_dict(row, f"Row {number} of {path}", images)


def _read_vqa(file: "ParquetFile", path: Path, photos: "PhotoNames | _Unpacked") -> Iterator[Example]:
    unpacked = photos if isinstance(photos, _Unpacked) else None
    columns = _columns(file, path, _NEEDED + ("image",) * (unpacked is not None), _OPTIONAL)
    if unpacked is not None and _kind_of_image(file) != "struct":
        raise InputError(
            f"The column 'image' of {path} is neither text nor a struct of bytes and path: give photo names."
        )
    without_pictures = [name for name in columns if name != "image"]
    number = 0
    for group in range(file.num_row_groups):
        present = unpacked is None or all(row["image_id"] in unpacked for row in _rows(file, [group], ["image_id"]))
        for row in _rows(file, [group], without_pictures if present else columns):
            number += 1
            where = f"Row {number} of {path}"
            image_id = whole_number(row, "image_id", where)
            row["image"] = photos(image_id) if unpacked is None else unpacked(image_id, row.get("image"), where)
            yield example_from_dict(row | annotation_fields(row, where), where)


class _Unpacked:
    """A folder of photos named by their number, filled as the pictures are read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = photos_by_stem(folder) if folder.is_dir() else {}

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, int) and f"{image_id:012d}" in self._names

    def __call__(self, image_id: int, picture: Mapping[str, Any] | None = None, where: str = "") -> str:
        """The path of the photo, which is written if it does not exist yet, whole or not at all."""
        stem = f"{image_id:012d}"
        if stem not in self._names:
            content, origin = (picture or {}).get("bytes"), (picture or {}).get("path")
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
