"""A data set of the Hugging Face Hub by its id, through the package `datasets`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.parquet import Photos
from vqa.data.readers.rows import columns, usual
from vqa.model.errors import InputError, reason


def read_hub(name: str, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of `owner/name`, `owner/name:split` or `owner/name:configuration:split`, as a stream.

    The columns are found as in any table; pictures are unpacked once into the folder `owner--name.photos`, unless
    `images` is given. Raises `InputError` if `datasets` is not installed, there is no such data set or split, or a row
    lacks its question or its photo.
    """
    identifier, *rest = name.split(":")
    split = rest.pop() if rest else None
    rows = _opened(identifier, rest[0] if rest else None, split)
    fields = columns(tuple(rows.column_names or ()), Path(identifier))
    if missing := {"image", "question"} - set(fields.values()):
        known = ", ".join(rows.column_names or ())
        raise InputError(f"The data set {identifier} has no column '{min(missing)}' (it has: {known}): choose another.")
    photos = Photos(Path(identifier.strip("/").replace("/", "--") + ".photos"), images)
    for number, row in enumerate(rows, start=1):
        where = f"Row {number} of {identifier}"
        named = {field: row[name] for name, field in fields.items()}
        if not isinstance(named["image"], str):
            image_id = named.get("image_id")
            named["image"] = photos(image_id if type(image_id) is int else None, named["image"], where)
            yield example_from_dict(usual(named), where)
        else:
            yield example_from_dict(usual(named), where, images)


def _opened(identifier: str, configuration: str | None, split: str | None) -> Any:
    """The rows of a split, pictures not decoded."""
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"Reading {identifier} from the Hub needs datasets: run `pip install 'glimpse-vqa[hub]'`."
        ) from error
    try:
        splits = datasets.load_dataset(identifier, configuration, streaming=True)
    except Exception as error:  # the package raises almost anything for what it cannot find or read
        raise InputError(f"The data set {identifier} cannot be read ({reason(error):.200}): check its id.") from error
    if split is None and len(splits) == 1:
        split = next(iter(splits))
    if split not in splits:
        raise InputError(
            f"The data set {identifier} has the splits {', '.join(splits)}: add one, as {identifier}:SPLIT."
        )
    rows = splits[split]
    for column, feature in (rows.features or {}).items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(column, datasets.Image(decode=False))
    return rows
