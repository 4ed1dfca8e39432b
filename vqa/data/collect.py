"""Questions with their right answers, as people give them about a model's answers: a table that `vqa train` takes."""

import csv
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vqa.data.files import check_output, file_errors, whole_file
from vqa.model.errors import InputError
from vqa.model.photos import content_hash, format_of, open_photo

TABLE, PHOTOS = "questions.csv", "photos"
COLUMNS = ("image", "question", "answer")
LONGEST = 300  # characters of a question or an answer
WAIT = 30  # seconds for another process that writes


class Collection:
    """A folder with `questions.csv` and `photos/`, to which several processes may add.

    Raises `InputError` if the folder cannot be written, or its table has other columns.
    """

    def __init__(self, folder: str | Path):
        self.folder = check_output(Path(folder))
        self.table = self.folder / TABLE
        with self._writing():
            (self.folder / PHOTOS).mkdir(parents=True, exist_ok=True)
            if self.table.exists() and self._rows()[:1] != [COLUMNS]:
                raise InputError(f"{self.table} has other columns than {', '.join(COLUMNS)}; choose another folder.")

    def add(self, photo: bytes, question: str, answer: str) -> bool:
        """Append a row, and store the photo, each once; False if the row is there already.

        The row is on disk when this returns. Raises `InputError` for a question or an answer without letters or digits,
        or too long, for bytes that are no photo, and for a full disk.
        """
        texts = {"question": " ".join(question.split()), "answer": " ".join(answer.split())}
        for name, text in texts.items():
            if not any(map(str.isalnum, text)) or len(text) > LONGEST:
                raise InputError(f"The {name} has no letters or digits, or more than {LONGEST}; write another one.")
        open_photo(photo)
        suffix = format_of(photo).replace("jpeg2000", "jp2")  # one that a search for photos knows
        name = f"{content_hash(photo)[:20]}.{suffix}"
        row = (name, *texts.values())
        with self._writing():
            rows = self._rows()
            if row in rows:
                return False
            if not (path := self.folder / PHOTOS / name).exists():
                with whole_file(path) as new:
                    new.write_bytes(photo)
            lines = io.StringIO()
            csv.writer(lines, lineterminator="\n").writerows([row] if rows else [COLUMNS, row])
            with self.table.open("ab") as file:
                whole = file.tell() == 0 or self.table.read_bytes().endswith(b"\n")
                file.write((b"" if whole else b"\n") + lines.getvalue().encode())  # after a line that a kill cut short
                file.flush()
                os.fsync(file.fileno())
        return True

    def _rows(self) -> list[tuple[str, ...]]:
        if not self.table.exists():
            return []
        with self.table.open(encoding="utf-8-sig", newline="") as file:
            return [tuple(row) for row in csv.reader(file)]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        from filelock import FileLock  # not needed for answering

        with file_errors(f"{self.folder} cannot be written", "free some space, or choose another folder"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=WAIT):
                yield
