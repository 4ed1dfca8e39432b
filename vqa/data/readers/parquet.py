"""Parquet: VQA v2 as the Hugging Face hub has it, the pictures inside, and plain tables of one's own.

The first is the schema of the data set lmms-lab/VQAv2: the columns of the official annotations, and `image`, a struct
of the picture's `bytes` and its `path`. The second is a table with the columns of `Example`, where `image` is text.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from vqa.data.examples import Example, example_from_dict
from vqa.data.files import whole_file
from vqa.data.readers.photo_names import SUFFIXES, PhotoNames, list_names
from vqa.model.errors import InputError

ROWS_A_BATCH = 32  # with pictures inside some 5 MB
_PREFIXES = ("", "COCO_train2014_", "COCO_val2014_", "COCO_test2015_")
_NEEDED = ("image_id", "question_id", "question")
_OPTIONAL = ("multiple_choice_answer", "answers", "question_type", "answer_type")
_STARTS = {rb"\xff\xd8\xff": ".jpg", rb"\x89PNG\r\n\x1a\n": ".png", rb"RIFF....WEBP": ".webp"}


def read_parquet(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of a Parquet file, or of a folder's *.parquet in the order of their names.

    Pictures inside are not read where `images` is given: a photo is then the file there that is named by its
    `image_id`, as for the official files. Else they are unpacked, each once, into a folder beside the data
    (val.parquet into val.photos/000000000025.jpg); those that are there already are left alone.

    Raises:
        InputError: pyarrow is not installed, a file is not as expected, a row lacks its question or its photo, or
            the photos cannot be unpacked.
    """
    shards = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not shards:
        raise InputError(f"The folder {path} holds no *.parquet: give one that does, or a file.")
    beside = Path(os.path.abspath(path))
    unpacked = _Unpacked(beside.with_name((beside.name if path.is_dir() else beside.stem) + ".photos"))
    photo = None if images is None else PhotoNames(images, _PREFIXES)
    for shard in shards:
        with _Table(shard) as table:
            if table.names_photos:
                yield from _read_plain(table, images)
            else:
                yield from _read_vqa(table, photo, unpacked)


class _Table:
    """A Parquet file, read a few rows at a time."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise InputError(f"Reading {path} needs pyarrow: run `pip install pyarrow`.") from error
        self.path = path
        # What pyarrow raises for a file that is none, is damaged, or holds text that is not UTF-8.
        self._errors = (pyarrow.ArrowException, OSError, ValueError)
        try:
            # With a buffer, a column is not read whole: a group of rows may hold gigabytes of pictures.
            self._file = pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
        except self._errors as error:
            raise self._unreadable(error) from error
        schema = self._file.schema_arrow
        self.columns = tuple(schema.names)
        self.groups = range(self._file.num_row_groups)
        kind = schema.field("image").type if self.columns.count("image") == 1 else pyarrow.null()
        if pyarrow.types.is_dictionary(kind):
            kind = kind.value_type
        self.names_photos = pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)
        self.embeds_photos = pyarrow.types.is_struct(kind)

    def __enter__(self) -> "_Table":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def rows(self, group: int, columns: list[str]) -> Iterator[dict[str, Any]]:
        """The rows of one group, in order."""
        try:
            for batch in self._file.iter_batches(ROWS_A_BATCH, row_groups=[group], columns=columns, use_threads=False):
                yield from batch.to_pylist()
        except self._errors as error:
            raise self._unreadable(error) from error

    def need(self, *names: str) -> None:
        if missing := [name for name in names if name not in self.columns]:
            raise InputError(
                f"{self.path} has no column '{missing[0]}' (it has: {', '.join(self.columns) or 'none'}): give a table "
                "with the columns image and question, or one as lmms-lab/VQAv2 has them."
            )

    def _unreadable(self, error: Exception) -> InputError:
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).split("\n")[0].rstrip(".")
        return InputError(f"{self.path} cannot be read as Parquet ({reason:.200}): check it or fetch it again.")


def _read_plain(table: _Table, images: Path | None) -> Iterator[Example]:
    table.need("image", "question")
    columns = [field.name for field in fields(Example) if field.name in table.columns]
    rows = (row for group in table.groups for row in table.rows(group, columns))
    for number, row in enumerate(rows, start=1):
        if isinstance(scores := row.get("answer_scores"), list | dict):
            # A map comes as pairs; a struct has all answers of the table in each row, most of them null.
            row["answer_scores"] = {answer: score for answer, score in dict(scores).items() if score is not None}
        yield example_from_dict(row, f"Row {number} of {table.path}", images)


def _read_vqa(table: _Table, photo: PhotoNames | None, unpacked: "_Unpacked") -> Iterator[Example]:
    table.need(*_NEEDED, *(["image"] if photo is None else []))
    if photo is None and not table.embeds_photos:
        raise InputError(
            f"The column 'image' of {table.path} is neither text nor a struct of bytes and path: give photo names."
        )
    columns = [*_NEEDED, *(name for name in _OPTIONAL if name in table.columns)]
    number = 0
    for group in table.groups:
        pictures = photo is None and not all(row["image_id"] in unpacked for row in table.rows(group, ["image_id"]))
        for row in table.rows(group, [*columns, "image"] if pictures else columns):
            number += 1
            where = f"Row {number} of {table.path}"
            image_id = row["image_id"]
            if not isinstance(image_id, int):
                raise InputError(f"{where}: 'image_id' must be a whole number, not {image_id!r:.80}: mend it.")
            row["image"] = unpacked(image_id, row.get("image"), where) if photo is None else photo(image_id)
            row["answer"] = row.pop("multiple_choice_answer", None)
            row["answers"] = _answers(row.get("answers"), where)
            yield example_from_dict(row, where)


def _answers(answers: object, where: str) -> list[str]:
    if answers is None:
        return []  # the test splits
    if isinstance(answers, list) and all(isinstance(entry, Mapping) and "answer" in entry for entry in answers):
        return [entry["answer"] for entry in answers]
    raise InputError(f"{where}: 'answers' must be a list of structs with the text 'answer': mend it.")


class _Unpacked:
    """A folder of photos named by their number, filled as the pictures come by."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = list_names(folder) if folder.is_dir() else []
        self._names = {stem: stem + suffix for stem, suffix in map(os.path.splitext, names) if suffix in SUFFIXES}

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, int) and f"{image_id:012d}" in self._names

    def __call__(self, image_id: int, picture: Mapping[str, Any] | None, where: str) -> str:
        """The path of the photo, which is written if it is not there yet, whole or not at all."""
        stem = f"{image_id:012d}"
        if stem not in self._names:
            content, origin = (picture or {}).get("bytes"), (picture or {}).get("path")
            if not content:
                if origin and os.path.isfile(origin):
                    return str(origin)
                raise InputError(f"{where} has no picture inside: name the folder of the photos, or delete the row.")
            self._names[stem] = self._write(stem + _suffix(origin, content, where), content)
        return str(self._folder / self._names[stem])

    def _write(self, name: str, content: bytes) -> str:
        try:
            self._folder.mkdir(exist_ok=True)
            with whole_file(self._folder / name) as new:
                new.write_bytes(content)
        except OSError as error:
            raise InputError(
                f"The photo {name} cannot be unpacked into {self._folder}: {error.strerror}; move the data to where "
                "there is space and the right to write, or name a folder of photos."
            ) from error
        return name


def _suffix(origin: str | None, content: bytes, where: str) -> str:
    suffix = os.path.splitext(origin or "")[1].lower()
    if suffix in SUFFIXES:
        return suffix
    for start, told in _STARTS.items():
        if re.match(start, content, re.DOTALL):
            return told
    raise InputError(f"{where}: the picture inside is not JPEG, PNG or WebP: save it as one of these.")
