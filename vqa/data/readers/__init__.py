"""Readers: one file a format, and two functions that choose among them."""

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from vqa.data.examples import Example
from vqa.data.readers.clevr import read_clevr
from vqa.data.readers.coco_qa import FILES as COCO_QA_FILES
from vqa.data.readers.coco_qa import read_coco_qa
from vqa.data.readers.daquar import read_daquar_jsonl, read_daquar_text
from vqa.data.readers.easy_vqa import read_easy_vqa
from vqa.data.readers.gqa import read_gqa
from vqa.data.readers.hub import read_hub
from vqa.data.readers.jsonl import read_json, read_jsonl
from vqa.data.readers.official import read_official
from vqa.data.readers.parquet import read_parquet
from vqa.data.readers.rows import is_row
from vqa.data.readers.tables import read_csv, read_xlsx
from vqa.data.readers.text_files import json_rows, numbered_lines, opened
from vqa.model.errors import InputError

__all__ = ["FORMATS", "drop_missing_photos", "iter_examples", "read_examples"]

EASY_VQA, HUB = "easy-vqa", "hub:"
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
FilePath = str | Path | None

_READERS: dict[str, Callable[[Path, Path | None], Iterator[Example]]] = {
    "jsonl": read_jsonl,
    "json": read_json,
    "csv": read_csv,
    "xlsx": read_xlsx,
    "daquar-jsonl": read_daquar_jsonl,
    "daquar": read_daquar_text,
    "coco-qa": read_coco_qa,
    "clevr": read_clevr,
    "gqa": read_gqa,
    "parquet": read_parquet,
}
FORMATS = ("auto", "official", EASY_VQA, *_READERS)
_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".xlsx": "xlsx",
    ".json": "json",
    ".txt": "daquar",
    ".parquet": "parquet",
}


def read_examples(
    data: str | Path, annotations: FilePath = None, images: FilePath = None, format: str = "auto"
) -> list[Example]:
    """Reads all examples of a data set; arguments and errors as `iter_examples`.

    Raises as `iter_examples`, and if there is no example at all.
    """
    examples = list(iter_examples(data, annotations, images, format))
    if not examples:
        raise InputError(f"{data} holds no example: give a file with at least one question.")
    return examples


def iter_examples(
    data: str | Path, annotations: FilePath = None, images: FilePath = None, format: str = "auto"
) -> Iterator[Example]:
    """Yields the examples of a data set one by one.

    Args:
        data: a JSON, JSONL, CSV, TSV or XLSX file, an official VQA, CLEVR or GQA questions file (.json), a DAQUAR text
            file, a Parquet file or a folder of them, a folder of photos with a metadata.csv or metadata.jsonl, a
            COCO-QA folder, "easy-vqa:train" or "easy-vqa:test", or "hub:" and the id of a data set on the Hugging Face
            Hub (see `read_hub`).
        annotations: the annotations file that belongs to an official questions file; without it the
            questions have no answers.
        images: the folder of the photos, put before each example's `image`; without it the pictures inside a
            Parquet file are unpacked beside it.
        format: one of `FORMATS`; "auto" detects it from the name's suffix and the content.

    Raises `InputError` if something is missing or invalid; the sentence says what, where and how to correct it. Invalid
    lines are reported when the iterator reaches them.
    """
    if format not in FORMATS:
        raise InputError(f"There is no format '{format}': choose one of {', '.join(FORMATS)}.")
    if format == "auto" and str(data).startswith(HUB):
        return read_hub(str(data).removeprefix(HUB), None if images is None else Path(images))
    if format == "auto" and str(data).startswith(f"{EASY_VQA}:"):
        format = EASY_VQA
    if format != EASY_VQA and not os.path.exists(data):
        raise InputError(f"There is no file or folder {data}: check its name and place.")
    if format == "auto" and (table := _metadata(Path(data))) is not None:  # an image folder of `datasets`
        images, data = images or data, table
    if format == "auto":
        format = _detect(Path(data))
    if annotations is not None and format == "json":
        format = "official"
    if annotations is not None and format != "official":
        raise InputError(f"Annotations belong to official VQA questions, and {data} is {format}: leave them out.")
    folder = None if images is None else Path(images)
    if folder is not None and not os.path.isdir(folder):
        raise InputError(f"There is no folder {folder}: give the folder of the photos.")
    if format == EASY_VQA:
        if folder is not None:
            raise InputError("easy-VQA brings its own photos: leave the folder of photos out.")
        return read_easy_vqa(str(data).removeprefix(f"{EASY_VQA}:"))
    if format == "official":
        return read_official(Path(data), None if annotations is None else Path(annotations), folder)
    return _READERS[format](Path(data), folder)


def _metadata(folder: Path) -> Path | None:
    """The table in a folder of photos, as `datasets` has it. Raises `InputError` for a folder with several splits."""
    tables = [folder / name for name in METADATA if (folder / name).is_file()]
    if not tables and (splits := sorted({str(path.parent) for name in METADATA for path in folder.glob(f"*/{name}")})):
        raise InputError(f"The folder {folder} holds several splits: give one of {', '.join(splits)}.")
    return tables[0] if tables else None


def _detect(path: Path) -> str:
    if path.is_dir():
        if all((path / name).is_file() for name in COCO_QA_FILES):
            return "coco-qa"
        if any(path.glob("*.parquet")):
            return "parquet"
        raise InputError(
            f"The folder {path} is no COCO-QA split ({', '.join(COCO_QA_FILES)}) and holds no *.parquet: give a file."
        )
    suffix = Path(path.stem if path.suffix == ".gz" else path).suffix.lower()
    if suffix not in _BY_SUFFIX:
        known = ", ".join(_BY_SUFFIX)
        raise InputError(f"The name of {path} does not show its format: save it as one of {known}.")
    format = _BY_SUFFIX[suffix]
    if format == "daquar" and "\t" in next(numbered_lines(path, guess=True), (0, ""))[1]:
        return "csv"  # 'Unicode text' of a spreadsheet program
    if format in ("json", "jsonl"):
        return _kind_of_json(path, format)
    return format


def _kind_of_json(path: Path, by_name: str) -> str:
    """The format of a JSON file by its first bytes, which suffice; the files are too large to be read twice."""
    head, first = b"", None
    with suppress(OSError, EOFError, zlib.error), opened(path) as file:  # the reader reports an unreadable file
        head = file.read(1 << 16)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return "json"
    with suppress(InputError):
        first, _ = next(json_rows(path), (None, ""))
    if isinstance(first, dict) and (by_name == "jsonl" or len(head.splitlines()) > 1 or is_row(first, path)):
        return "daquar-jsonl" if "answers_list" in first else "jsonl"
    if by_name == "jsonl":
        return by_name
    names = {"image_filename": "clevr", "imageId": "gqa", "questions": "official", "annotations": "official"}
    return next((kind for name, kind in names.items() if f'"{name}"'.encode() in head), "json")


def drop_missing_photos(examples: Iterable[Example]) -> tuple[list[Example], int]:
    """Drops the examples whose photo does not exist; each distinct photo is checked once.

    Returns:
        The remaining examples, in order, and how many were dropped.
    """
    examples = list(examples)
    exists = {image: os.path.isfile(image) for image in {example.image for example in examples}}
    present = [example for example in examples if exists[example.image]]
    return present, len(examples) - len(present)
