"""The feature store: the grids of many photos on disk, computed once and read by the row."""

import itertools
import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqa.data.files import write_json
from vqa.model.errors import InputError

VERSION = 1


class FeatureStore:
    """A folder with one memory-mapped array of grids and an index by file name and content hash.

    store.json   what made the grids (`made_by`: backbone, weights, preprocessing), their shape and bits
    grids.bin    a row a photo: `(N, D)` numbers, uint8 or float16
    scales.bin   a row a photo: low and step, float32; an 8-bit number k stands for low + k · step
    index.jsonl  a line a photo: file name, content hash, row; written after the row, which it vouches for

    Rows are appended by one process at a time; grids are never held in memory whole. Photos with the same
    bytes share a row.
    """

    def __init__(self, folder: Path, header: dict[str, Any]):
        self.folder = folder
        self.made_by: dict[str, Any] = header["made_by"]
        self.places, self.channels, self.bits = header["places"], header["channels"], header["bits"]
        self.count = 0  # rows
        self.rows: dict[str, int] = {}
        self.hashes: dict[str, int] = {}
        self.hash_of: dict[str, str] = {}
        self._index_end = 0
        self._read_index()
        self._map()

    @classmethod
    def create(
        cls, folder: str | Path, made_by: dict[str, Any], places: int, channels: int, bits: int = 8
    ) -> "FeatureStore":
        """Opens the store in `folder` to go on with it, or starts an empty one there.

        Args:
            made_by: what made the grids, as JSON can hold it.
            places: N of the grids.
            channels: D of the grids.
            bits: a number's, 8 or 16.

        Raises:
            InputError: the folder holds other features, or cannot be written.
        """
        folder = Path(folder)
        if bits not in (8, 16):
            raise InputError(f"A feature store has 8 or 16 bits a number, not {bits}; choose one of these.")
        if (folder / "store.json").exists():
            store = cls.open(folder, made_by)
            there, wanted = (store.places, store.channels, store.bits), (places, channels, bits)
            if there != wanted:
                raise InputError(
                    "The feature store {} has {} x {} numbers of {} bits a photo, not {} x {} of {} bits; "
                    "choose a new folder.".format(folder, *there, *wanted)
                )
            return store
        if (folder / "index.jsonl").exists():
            raise InputError(f"The feature store {folder} has lost its store.json; choose an empty folder.")
        header = {"version": VERSION, "made_by": made_by, "places": places, "channels": channels, "bits": bits}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("grids.bin", "scales.bin"):
                (folder / name).touch()
            write_json(folder / "store.json", header)
            (folder / "index.jsonl").touch()  # last, so that an index without store.json has lost it
        except OSError as error:
            raise _unwritable(folder, error) from error
        return cls(folder, header)

    @classmethod
    def open(cls, folder: str | Path, made_by: dict[str, Any] | None = None) -> "FeatureStore":
        """Opens an existing store; with `made_by`, only one that the same backbone and preprocessing made.

        Raises:
            InputError: there is no store, it was made otherwise, or its files are damaged.
        """
        folder = Path(folder)
        path = folder / "store.json"
        try:
            header = json.loads(path.read_bytes())
        except OSError as error:
            raise InputError(
                f"There is no feature store in {folder} ({error.strerror}); make one with "
                "python -m train.extract_features."
            ) from error
        except ValueError as error:
            raise InputError(f"{path} is not JSON ({error}); make the store anew elsewhere.") from error
        if not isinstance(header, dict) or header.get("version") != VERSION:
            raise InputError(f"{path} is not of a feature store of version {VERSION}; make the store anew.")
        if missing := {"made_by", "places", "channels", "bits"} - header.keys():
            raise InputError(f"{path} lacks {', '.join(sorted(missing))}; make the store anew elsewhere.")
        if made_by is not None:
            _check_same(folder, header["made_by"], json.loads(json.dumps(made_by)))
        return cls(folder, header)

    def __len__(self) -> int:
        return self.count

    def __contains__(self, name: str) -> bool:
        return name in self.rows

    def append(self, names: Sequence[str], hashes: Sequence[str], grids: Tensor) -> None:
        """Adds photos: `grids (P, N, D)`. Of photos with the same hash, one that is stored already included,
        only the first becomes a row.

        The index is written last: what a kill leaves without a line in it is written over by the next row.

        Raises:
            InputError: the grids are not of the store's shape or not finite, or the disk is full.
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
        row_of = dict(zip(first, itertools.count(self.count), strict=False))
        if first:
            self._write_rows(grids[list(first.values())])
        self._write_index(
            [(n, h, row_of[h] if h in row_of else self.hashes[h]) for n, h in zip(names, hashes, strict=True)]
        )
        self._map()

    def link(self, name: str, content_hash: str) -> bool:
        """Names a photo whose bytes are stored already; False if they are not."""
        row = self.hashes.get(content_hash)
        if row is None:
            return False
        self._write_index([(name, content_hash, row)])
        return True

    def lookup(self, names: Iterable[str]) -> np.ndarray:
        """Rows of photos by file name, int64, -1 for those that the store lacks."""
        return np.array([self.rows.get(name, -1) for name in names], dtype=np.int64)

    def read(self, rows: np.ndarray | Tensor | Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Grids `(P, N, D)` of the given rows; only these are read from disk.

        Raises:
            IndexError: there is no such row; -1, as `lookup` gives for an unknown photo, is none.
        """
        index = np.asarray(rows, dtype=np.int64)
        if len(index) and (index.min() < 0 or index.max() >= self.count):
            raise IndexError(f"rows {index.min()} to {index.max()} were asked of {self.count}")
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
        whole = (grids - low[:, None, None]) / step[:, None, None]
        data = grids.half() if self.bits == 16 else whole.round().byte()
        if not (scales.isfinite().all() and data.isfinite().all()):
            raise InputError(
                f"The image encoder gave numbers that {self.bits} bits cannot hold (infinite or undefined); "
                "check its weights and the photos' preprocessing."
            )
        try:
            for name, array in (("grids.bin", data.numpy()), ("scales.bin", scales.numpy())):
                with open(self.folder / name, "r+b") as file:
                    file.seek(self.count * array[0].nbytes)
                    file.write(array.tobytes())
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def _write_index(self, entries: Sequence[tuple[str, str, int]]) -> None:
        lines = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
        try:
            with open(self.folder / "index.jsonl", "r+b") as file:
                file.truncate(self._index_end)  # a line that a kill cut short goes
                file.seek(self._index_end)
                file.write(lines)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        self._index_end += len(lines)
        for entry in entries:
            self._remember(*entry)

    def _read_index(self) -> None:
        """Reads the index but for a last line without an end, which a kill cut short or another process is
        still writing; any other broken line is an error."""
        path = self.folder / "index.jsonl"
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, start=1):
                    if not line.endswith(b"\n"):
                        break
                    self._index_end += len(line)
                    try:
                        name, digest, row = json.loads(line)
                        self._remember(name, digest, int(row))
                    except (ValueError, TypeError) as error:
                        raise InputError(f"Line {number} of {path} is broken; make the store anew.") from error
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}; make the store anew.") from error

    def _remember(self, name: str, digest: str, row: int) -> None:
        self.rows[name], self.hash_of[name] = row, digest
        self.hashes.setdefault(digest, row)
        self.count = max(self.count, row + 1)

    def _map(self) -> None:
        shape = (self.count, self.places, self.channels)
        dtype = np.dtype(np.uint8 if self.bits == 8 else np.float16)
        self.grids = _map_file(self.folder / "grids.bin", dtype, shape)
        self.scales = _map_file(self.folder / "scales.bin", np.dtype(np.float32), (self.count, 2))


def _map_file(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The file as an array that is read from disk where it is looked at. Mapped read-only: a writable private
    mapping would count as memory in use, and a store larger than the memory could not be opened."""
    try:
        if path.stat().st_size < math.prod(shape) * dtype.itemsize:
            raise InputError(f"{path} is shorter than its index says; make the store anew.")
        return np.memmap(path, dtype, "r", shape=shape) if shape[0] else np.empty(shape, dtype)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; make the store anew.") from error


def _check_same(folder: Path, there: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key in there | wanted:
        if there.get(key) != wanted.get(key):
            raise InputError(
                f"The feature store {folder} was made with {key} {there.get(key)!r}, "
                f"not {wanted.get(key)!r}; extract the features again into another folder."
            )


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"The feature store {folder} cannot be written: {error.strerror}; mend that and run it again.")


def stored_name(photo: str, folders: Sequence[str]) -> str:
    """A photo's path inside the folder it came from, which is its name in a feature store."""
    inside = next((folder for folder in folders if Path(photo).is_relative_to(folder)), None)
    return Path(photo).name if inside is None else Path(photo).relative_to(inside).as_posix()
