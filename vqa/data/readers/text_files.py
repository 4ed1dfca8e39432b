"""Text files: lines with their numbers, and JSON, one value a line or one document a file."""

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vqa.data.files import file_errors
from vqa.data.readers.rows import remark
from vqa.model.errors import InputError

MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
# What programs save where it is not UTF-8; the others that charset-normalizer knows are found by mistake only.
LEGACY = ["cp1252", "mac_roman", "cp1250", "cp1251", "cp1253", "cp1254", "cp932", "gb18030", "big5", "cp949"]
TYPOGRAPHY = "\xa0\xa1\xab\xb0\xb4\xbb\xbf\u2013\u2014\u2018\u2019\u201c\u201d\u201e\u2026\u20ac"  # quotes, dashes …
LONGEST = 64 << 20  # bytes of a line, and of what may be unpacked from any file
SAMPLE = 100_000  # bytes that suffice to recognise one of these


def numbered_lines(path: Path, guess: bool = False) -> Iterator[tuple[int, str]]:
    """The lines of a text file (plain or .gz), each with its number from 1, streamed.

    A line keeps its end ("\\n", "\\r\\n" or "\\r"), as the CSV reader requires. The encoding is UTF-8, or UTF-16 or
    UTF-32 with a byte order mark; guess: recognise the older ones of spreadsheet programs, too, and report it. Raises
    `InputError` if the file cannot be read or decompressed, or a line is not in this encoding.
    """
    number, encoding = 0, "utf-8"
    try:
        with reported(path), opened(path) as file:
            start = file.read(4)
            encoding = next((name for mark, name in MARKS.items() if start.startswith(mark)), "")
            if not encoding and guess and (encoding := _legacy(path)):
                remark(f"{path} is read with the encoding {encoding}; save it as UTF-8 if letters look wrong.")
            encoding = encoding or "utf-8"
            file.seek(0)
            if encoding in ("utf-16", "utf-32"):  # in which a line end is no single byte
                for number, line in enumerate(io.TextIOWrapper(file, encoding, newline=""), start=1):
                    yield number, line
                return
            lines = (line for block in file for line in block.splitlines(keepends=True))
            for number, raw in enumerate(lines, start=1):
                yield number, raw.decode("utf-8" if number > 1 and encoding == "utf-8-sig" else encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise InputError(
            f"Line {max(number, 1)} of {path} is not {name} text (byte {error.start + 1}): "
            "save the file with the encoding UTF-8 (in Excel: 'CSV UTF-8')."
        ) from error


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Errors while a file is read, as `InputError`."""
    with file_errors(f"{path} cannot be read", "check its name and place"):
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{path} cannot be unpacked ({error}): download or compress it again.") from error


def opened(path: Path) -> Any:
    """The bytes of a file (plain or .gz)."""
    return Unpacked(path) if path.suffix == ".gz" else path.open("rb")


class Unpacked(gzip.GzipFile):
    """A .gz file, of which a few kilobytes can hold gigabytes: unpacking ends where that exceeds any text."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(LONGEST), b""))
        return self._checked(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        return self._checked(super().read1(size))

    def readline(self, size: int | None = -1) -> bytes:
        return self._checked(super().readline(LONGEST if size is None or size < 0 else size))

    def _checked(self, content: bytes) -> bytes:
        if self.tell() > LONGEST and self.tell() > 200 * os.path.getsize(self.name):
            raise gzip.BadGzipFile("it is more than 200 times as large as its file")
        return content


def _legacy(path: Path) -> str:
    """The encoding of a file that is not UTF-8; "" for one that is, or is UTF-8 with damaged lines."""
    import charset_normalizer

    sample = b""
    with opened(path) as file:
        for line in file:
            if not line.isascii():
                try:
                    line.decode()
                    return ""
                except UnicodeDecodeError:
                    sample += line if len(sample) < SAMPLE else b""
    matches = list(charset_normalizer.from_bytes(sample, cp_isolation=LEGACY)) if sample else []
    if not matches or matches[0].multi_byte_usage:
        return matches[0].encoding if matches else ""
    ranked = {
        name: (_symbols(sample, name), match.chaos, -match.coherence, LEGACY.index(name))
        for match in matches
        for name in match.could_be_from_charset
        if name in LEGACY
    }
    return min(ranked, key=ranked.__getitem__)  # a few letters fit many


def _symbols(sample: bytes, encoding: str) -> int:
    """How many characters are neither letters nor the punctuation of text: "ł" of cp1250 is "³" in cp1252."""
    return sum(not (c.isascii() or c.isalpha() or c in TYPOGRAPHY) for c in sample.decode(encoding, "replace"))


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
    """The content of a JSON file (plain or .gz). Raises `InputError` if the file cannot be read or is not JSON."""
    with reported(path), opened(path) as file:
        content = file.read()
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): download or correct it.") from error
