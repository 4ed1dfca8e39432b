"""The answers of an evaluation as they come: on disk, so that memory does not grow and a killed run can go on."""

import json
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqa.data.files import write_json
from vqa.evaluation.answers.scores import Record
from vqa.model.errors import InputError

RUN = "run.json"
_INDEX = re.compile(rb'{"index": (\d+)')
_BATCH = re.compile(rb'{"batch": (\d+), "questions": (\d+)}\n')


class Work:
    """A folder of one run: `run.json` says which, `part-*.jsonl` holds a record a line, each process in its own file.

    A batch of records counts from the line {"batch": 7, "questions": 80} on that ends it; what a kill left behind the
    last such line is cut off. done: the numbers of the batches, answered: the questions in them.
    """

    def __init__(self, folder: Path, run: dict[str, Any]):
        """Go on with the run in `folder` if it is the same one, else begin it anew.

        Raises `InputError` if the folder cannot be written.
        """
        self.folder, self.done, self.answered = folder, set[int](), 0
        same = json.loads(json.dumps(run))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._read(RUN) != same:
                for path in self.parts():
                    path.unlink()
                write_json(folder / RUN, run)
            for path in self.parts():
                self._recover(path)
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror}; choose another folder.") from error

    def parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.jsonl"))

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None

    def _recover(self, path: Path) -> None:
        end = place = 0
        with path.open("r+b") as file:
            for line in file:
                place += len(line)
                if batch := _BATCH.fullmatch(line):
                    end = place
                    self.done.add(int(batch[1]))
                    self.answered += int(batch[2])
            file.truncate(end)

    def records(self) -> Iterator[Record]:
        """Every record in the order of the data; those that were left out have 'skipped' (why) and 'told'.

        Only 20 bytes a question are held in memory.
        """
        index, file_of, place_of = array("q"), array("H"), array("q")
        files: list[BinaryIO] = []
        try:
            for number, path in enumerate(self.parts()):
                files.append(path.open("rb"))
                place = 0
                for line in files[-1]:
                    if found := _INDEX.match(line):
                        index.append(int(found[1]))
                        file_of.append(number)
                        place_of.append(place)
                    place += len(line)
            for i in np.argsort(np.frombuffer(index, np.int64) if index else [], kind="stable"):
                file = files[file_of[i]]
                file.seek(place_of[i])
                yield json.loads(file.readline())
        finally:
            for file in files:
                file.close()

    def answered_records(self) -> Iterator[Record]:
        """Those that were answered."""
        return (record for record in self.records() if "skipped" not in record)

    def skipped(self) -> tuple[Counter[str], dict[str, str]]:
        """How many questions were left out for each reason, and one example of each."""
        count: Counter[str] = Counter()
        told: dict[str, str] = {}
        for record in self.records():
            if "skipped" in record:
                count[record["skipped"]] += 1
                told.setdefault(record["skipped"], record["told"])
        return count, told


class Part:
    """The file that one process appends to."""

    def __init__(self, work: Work | Path, number: int):
        folder = work if isinstance(work, Path) else work.folder
        self.path = folder / f"part-{number:03d}.jsonl"

    def append(self, batch: int, records: list[Record]) -> None:
        """Add a batch. Raises `InputError` if the disk is full."""
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
        lines.append(f'{{"batch": {batch}, "questions": {len(records)}}}\n')
        try:
            with self.path.open("ab") as file:
                file.write("".join(lines).encode("utf-8", "replace"))
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}; make room and run it again, it will go on."
            ) from error
