"""Text files: lines with their numbers, and JSON, one value a line or one document a file."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vqa.model.errors import InputError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file (plain or .gz), with or without byte order mark, each with its number from 1.

    A line keeps its end ("\\n" or "\\r\\n"), as the CSV reader requires. The file is streamed. Raises `InputError` if
    the file cannot be read or decompressed, or a line is not UTF-8.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"Line {number} of {path} is not UTF-8 text (byte {error.start + 1}): "
            "save the file with the encoding UTF-8 (in Excel: 'CSV UTF-8')."
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} cannot be unpacked ({error}): download or compress it again.") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def json_rows(path: Path) -> Iterator[tuple[object, str]]:
    """The JSON value of each line that is not blank, with its place ("Line 17 of data.jsonl").

    Raises as `numbered_lines`, and if a line is not JSON.
    """
    for number, line in numbered_lines(path):
        if line.strip():
            where = f"Line {number} of {path}"
            try:
                yield json.loads(line), where
            except (ValueError, RecursionError) as error:
                raise InputError(f"{where} is not JSON ({error}): correct or delete that line.") from error


def read_document(path: Path) -> Any:
    """The content of a JSON file. Raises `InputError` if the file cannot be read or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): download or correct it.") from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be read: {error.strerror}; check its name and place.")
