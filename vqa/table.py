"""A file of rows that a run continues when it is started again."""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from vqa.data.files import file_errors
from vqa.model.errors import InputError

Row = dict[str, Any]
MOST_LINES = 8  # of a row that was cut short, whose photo's name may have line breaks


class Table:
    """A file of rows, to which a run that is started again adds those that are missing: CSV or JSON lines.

    done: the photo, and the question if the rows have one, of every row in the file; failed: how many rows have an
    error. Raises `InputError` for a file that cannot be written, that another process writes, or that holds something
    else or rows of another model.
    """

    def __init__(self, path: str, as_csv: bool, columns: Sequence[str], model: str):
        self.path, self.as_csv, self.columns, self.failed = Path(path), as_csv, columns, 0
        self.keys = [name for name in ("photo", "question") if name in columns]
        self.done: set[Any] = set()
        encoding = "utf-8-sig" if as_csv else "utf-8"  # Excel recognises UTF-8 by the mark
        with file_errors(f"{path} cannot be written", "choose another place"):
            self.file = self.path.open("a+", encoding=encoding, newline="", errors="surrogateescape")
            lock(self.file, path)
            end = self._read(model, encoding)
            self.file.truncate(end)  # a row that was cut short
            self.file.seek(0, os.SEEK_END)
        self.writer = csv.DictWriter(self.file, columns, extrasaction="ignore", lineterminator="\n")
        if as_csv and not end:
            self.writer.writeheader()

    def _row(self, line: str) -> Row:
        return dict(zip(self.columns, next(csv.reader([line])), strict=True)) if self.as_csv else json.loads(line)

    def _read(self, model: str, encoding: str) -> int:
        """Read the rows of an earlier run; the length of the file without a row that was cut short, in bytes."""
        content, end, start = self.path.read_bytes(), 0, 0
        lines = list[str]()
        while start := content.find(b"\n", start) + 1:
            if not (self.as_csv and content.count(b'"', end, start) % 2):  # no line end within quotes
                lines.append(content[end:start].decode(encoding, "surrogateescape"))
                end = start
        first = ",".join(self.columns) if self.as_csv else '{"photo": "'
        begun, rest = first.encode(encoding), content[end:]
        try:
            if self.as_csv and lines and lines.pop(0).strip() != first:
                raise ValueError("another header")
            if not end and rest[: len(begun)] != begun[: len(rest)]:
                raise ValueError("not the beginning of a first row")
            if rest.count(b"\n") > MOST_LINES:
                raise ValueError("a quote without an end")
            for line in lines:
                row = self._row(line)
                if (other := row.get("model") or model) != model:
                    raise InputError(f"{self.path} holds answers of the model {other}; name another file.")
                if ("question" in row) != ("question" in self.keys) or not isinstance(row["photo"], str):
                    raise ValueError("other rows")
                self.done.add(self.key(row))
                self.failed += bool(row.get("error"))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, csv.Error) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.path} holds something else than such rows; name another file.") from error
        return end

    def key(self, row: Row) -> Any:
        return row["photo"] if len(self.keys) == 1 else tuple(row[name] for name in self.keys)

    def append(self, rows: Iterable[Row]) -> None:
        with file_errors(f"{self.path} cannot be written", "free some space and run the command again to continue"):
            for row in rows:
                if self.as_csv:
                    self.writer.writerow(row)
                else:
                    self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self.file.flush()


def lock(file: IO, path: str) -> None:
    """Hold an open file until it is closed. Raises `InputError` while another process does; does nothing where files
    cannot be locked, as on Windows."""
    with suppress(ImportError, OSError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"Another process is writing to {path}; wait until it has finished, or choose another file."
            raise InputError(message) from error


def open_table(csv: str | None, jsonl: str | None, columns: Sequence[str], model: str | None) -> Table | None:
    """The table that the options ask for. Raises `InputError` as `Table`, and for two."""
    if csv and jsonl:
        raise InputError("There are both --csv and --jsonl; choose one of them.")
    return Table(csv or jsonl or "", bool(csv), columns, model or "bundled") if csv or jsonl else None
