"""Text files line by line, with the line's number for whoever has to mend it."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from vqa.model.errors import InputError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file (plain or .gz), with or without byte order mark, each with its number from 1.

    A line keeps its end ("\\n" or "\\r\\n"), as the CSV reader wants it. The file is never whole in memory.

    Raises:
        InputError: the file cannot be read or unpacked, or a line is not UTF-8.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                encoding = "utf-8-sig" if number == 1 else "utf-8"
                try:
                    yield number, line.decode(encoding)
                except UnicodeDecodeError as error:
                    raise InputError(
                        f"Line {number} of {path} is not UTF-8 text (byte {error.start + 1}): "
                        "save the file with the encoding UTF-8 (in Excel: 'CSV UTF-8')."
                    ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} cannot be unpacked ({error}): fetch or pack it again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check its name and place.") from error


def is_blank(line: str) -> bool:
    return not line.strip()
