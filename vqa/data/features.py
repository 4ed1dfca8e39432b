"""The feature store: the grids of many photos on disk, computed once and read by the row."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Interval  # which pydantic reads
from torch import Tensor

from vqa.data.files import file_errors, read_json, write_json
from vqa.model.errors import InputError

VERSION: Literal[1] = 1


@dataclass(frozen=True)
class Header:
    """The content of store.json."""

    version: Literal[1]
    made_by: dict[str, Any]
    places: Annotated[int, Interval(ge=1, le=1 << 20)]
    channels: Annotated[int, Interval(ge=1, le=1 << 20)]
    bits: Literal[8, 16]


class FeatureStore:
    """A folder with one memory-mapped array of grids and an index by file name and content hash.

    store.json   what made the grids (`made_by`: backbone, weights, preprocessing), their shape and bits
    grids.bin    a row a photo: `(N, D)` numbers, uint8 or float16
    scales.bin   a row a photo: low and step, float32; an 8-bit number k stands for low + k · step
    index.jsonl  a line a photo: file name, content hash, row; written after the row, which it confirms

    Rows are appended by one process at a time; the grids are never in memory as a whole. Photos with the
    same bytes share a row.
    """

    def __init__(self, folder: Path, header: Header):
        self.folder = folder
        self.made_by = header.made_by
        self.places, self.channels, self.bits = header.places, header.channels, header.bits
        self.count = 0  # rows
        self.rows: dict[str, int] = {}  # by file name
        self.hashes: dict[str, int] = {}  # row by content hash
        self.hash_of: dict[str, str] = {}  # content hash by file name
        self._index_end = 0
        self._read_index()
        self._map()

    @classmethod
    def create(
        cls, folder: str | Path, made_by: dict[str, Any], places: int, channels: int, bits: int = 8
    ) -> "FeatureStore":
        """Opens the store in `folder` to continue it, or creates an empty one there.

        Args:
            made_by: what made the grids, JSON-able.
            places, channels: N and D of the grids.
            bits: of a number, 8 or 16.

        Raises `InputError` if the folder holds other features, or is not writable.
        """
        folder = Path(folder)
        if bits not in (8, 16):
            raise InputError(f"A feature store has 8 or 16 bits a number, not {bits}; choose one of these.")
        shape = {"places": places, "channels": channels, "bits": bits}
        if (folder / "store.json").exists():
            store = cls.open(folder, made_by)
            _check_same(folder, {name: getattr(store, name) for name in shape}, shape)
            return store
        if (folder / "index.jsonl").exists():
            raise InputError(f"The feature store {folder} has lost its store.json; choose an empty folder.")
        header = Header(VERSION, made_by, places, channels, bits)  # type: ignore[arg-type]  # 8 or 16
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("grids.bin", "scales.bin"):
                (folder / name).touch()
            write_json(folder / "store.json", asdict(header))
            (folder / "index.jsonl").touch()  # last, so that an index without store.json has lost it
        return cls(folder, header)

    @classmethod
    def open(cls, folder: str | Path, made_by: dict[str, Any] | None = None) -> "FeatureStore":
        """Opens an existing store; with `made_by`, only one of the same backbone and preprocessing.

        Raises `InputError` if there is no store, it was made by something else, or its files are damaged.
        """
        folder = Path(folder)
        path = folder / "store.json"
        if not path.exists():
            raise InputError(f"There is no feature store in {folder}; make one with python -m train.extract_features.")
        header = read_json(path, f"a feature store of version {VERSION} is needed, so make it again elsewhere", Header)
        if made_by is not None:
            _check_same(folder, header.made_by, json.loads(json.dumps(made_by)))
        return cls(folder, header)

    def __len__(self) -> int:
        return self.count

    def append(self, names: Sequence[str], hashes: Sequence[str], grids: Tensor) -> None:
        """Adds photos: `grids (P, N, D)`. Of photos with the same hash, stored ones included, only the first
        becomes a row.

        The index is written last: a row without a line in it, left by a kill, is overwritten by the next one. Raises
        `InputError` if the grids are not of the store's shape or not finite, or the disk is full.
        """
        if grids.shape[1:] != (self.places, self.channels):
            raise InputError(
                f"The feature store {self.folder} holds grids of {self.places} x {self.channels}, "
                f"not {' x '.join(map(str, grids.shape[1:]))}; give it those of the backbone that made it."
            )
        first: dict[str, int] = {}  # new content to its place among the grids
        for place, digest in enumerate(hashes):
            if digest not in self.hashes:
                first.setdefault(digest, place)
        if first:
            self._write_rows(grids[list(first.values())])
        row_of = {digest: row for row, digest in enumerate(first, self.count)}
        self._write_index(
            [(name, h, row_of[h] if h in row_of else self.hashes[h]) for name, h in zip(names, hashes, strict=True)]
        )
        self._map()

    def link(self, name: str, content_hash: str) -> bool:
        """Names a photo whose bytes are stored already; False if they are not."""
        row = self.hashes.get(content_hash)
        if row is not None:
            self._write_index([(name, content_hash, row)])
        return row is not None

    def lookup(self, names: Iterable[str]) -> np.ndarray:
        """Rows of photos by file name, int64, -1 for unknown ones."""
        return np.array([self.rows.get(name, -1) for name in names], dtype=np.int64)

    def read(self, rows: np.ndarray | Tensor | Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Grids `(P, N, D)` of the given rows; only these are read from disk.

        Raises `IndexError` if there is no such row, such as the -1 of `lookup`.
        """
        index = np.asarray(rows, dtype=np.int64)
        if len(index) and (index.min() < 0 or index.max() >= self.count):
            raise IndexError(f"rows {index.min()} to {index.max()} of a store of {self.count}")
        grids = torch.from_numpy(self.grids[index])
        if self.bits == 16:
            return grids.to(dtype)
        low, step = torch.from_numpy(self.scales[index]).view(-1, 2, 1, 1).unbind(1)
        return grids.float().mul_(step).add_(low).to(dtype)  # rounded once, whatever the dtype

    def _write_rows(self, grids: Tensor) -> None:
        grids = grids.detach().float().cpu()
        low, high = grids.amin((1, 2)), grids.amax((1, 2))
        step = ((high - low) / 255).clamp_min(1e-12)
        scales = torch.stack((low, step), 1)
        data = grids.half() if self.bits == 16 else ((grids - low[:, None, None]) / step[:, None, None]).round().byte()
        if not (scales.isfinite().all() and data.isfinite().all()):
            raise InputError(
                f"The image encoder computed numbers that {self.bits} bits cannot hold (infinite or undefined); "
                "check its weights and the photos' preprocessing."
            )
        for name, array in (("grids.bin", data.numpy()), ("scales.bin", scales.numpy())):
            with _writing(self.folder), open(self.folder / name, "r+b") as file:
                file.seek(self.count * array[0].nbytes)
                file.write(array.tobytes())
                file.flush()
                os.fsync(file.fileno())

    def _write_index(self, entries: Sequence[tuple[str, str, int]]) -> None:
        lines = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
        with _writing(self.folder), open(self.folder / "index.jsonl", "r+b") as file:
            file.truncate(self._index_end)  # removes a line that a kill cut short
            file.seek(self._index_end)
            file.write(lines)
        self._index_end += len(lines)
        for entry in entries:
            self._remember(*entry)

    def _read_index(self) -> None:
        """Reads the index except a last line without an end, which a kill cut short or another process is
        still writing; any other invalid line is an error."""
        path = self.folder / "index.jsonl"
        with _reading(path), open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                self._index_end += len(line)
                try:
                    name, digest, row = json.loads(line)
                    if not (isinstance(name, str) and isinstance(digest, str) and type(row) is int and row >= 0):
                        raise ValueError("name, hash and row are wanted")
                    self._remember(name, digest, row)
                except (ValueError, TypeError, RecursionError) as error:
                    raise InputError(f"Line {number} of {path} is invalid; make the store again.") from error

    def _remember(self, name: str, digest: str, row: int) -> None:
        self.rows[name], self.hash_of[name] = row, digest
        self.hashes.setdefault(digest, row)
        self.count = max(self.count, row + 1)

    def _map(self) -> None:
        self.grids = self._map_file("grids.bin", np.uint8 if self.bits == 8 else np.float16, self.places, self.channels)
        self.scales = self._map_file("scales.bin", np.float32, 2)

    def _map_file(self, name: str, dtype: type[np.generic], *row: int) -> np.ndarray:
        """The file as an array that is read from disk when it is indexed. Mapped read-only: a writable private
        mapping would count as memory in use, and a store larger than the memory could not be opened."""
        path, shape = self.folder / name, (self.count, *row)
        with _reading(path):
            if path.stat().st_size < math.prod(shape) * np.dtype(dtype).itemsize:
                raise InputError(f"{path} is shorter than its index says; make the store again.")
            return np.memmap(path, dtype, "r", shape=shape) if self.count else np.empty(shape, dtype)


def _check_same(folder: Path, existing: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key in existing | wanted:
        if existing.get(key) != wanted.get(key):
            raise InputError(
                f"The feature store {folder} was made with {key} {existing.get(key)!r}, not {wanted.get(key)!r}; "
                "extract the features again into another folder."
            )


def _reading(path: Path) -> AbstractContextManager[None]:
    return file_errors(f"{path} cannot be read", "make the store again")


def _writing(folder: Path) -> AbstractContextManager[None]:
    return file_errors(f"The feature store {folder} cannot be written", "correct that and run it again")


def stored_name(photo: str, folders: Sequence[str]) -> str:
    """A photo's path inside its folder, which is its name in a feature store."""
    inside = next((folder for folder in folders if Path(photo).is_relative_to(folder)), None)
    return Path(photo).name if inside is None else Path(photo).relative_to(inside).as_posix()
