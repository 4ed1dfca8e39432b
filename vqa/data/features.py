"""The feature store: the grids of many photos on disk, computed once and read by the row."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqa.errors import InputError

VERSION = 1


class FeatureStore:
    """A folder with one memory-mapped array of grids and an index by file name and content hash.

    store.json   what made the grids (`made_by`: backbone, weights, preprocessing), their shape `(N, D)` and `bits`
    grids.bin    a row a photo: `(N, D)` numbers of 8 or 16 bits
    scales.bin   a row a photo: low and step, float32; an 8-bit number k stands for low + k · step
    index.jsonl  a line a photo: file name, content hash, row; written after the row, so that a line vouches for it

    Rows are appended; nothing is ever held in memory whole. Photos with the same bytes share a row.
    """

    def __init__(self, folder: str | Path, header: dict):
        self.folder = Path(folder)
        self.made_by: dict = header["made_by"]
        self.places, self.channels, self.bits = header["places"], header["channels"], header["bits"]
        self.dtype = np.dtype(np.uint8 if self.bits == 8 else np.float16)
        self.rows: dict[str, int] = {}
        self.hashes: dict[str, int] = {}
        self.hash_of: dict[str, str] = {}
        self._read_index()
        self._map()

    @classmethod
    def create(cls, folder: str | Path, made_by: dict, places: int, channels: int, bits: int = 8) -> "FeatureStore":
        """Open the store in `folder`, or start an empty one there. Raises `InputError` if it holds other features."""
        folder = Path(folder)
        if (folder / "store.json").exists():
            store = cls.open(folder, made_by)
            if store.bits != bits:
                raise InputError(f"The feature store {folder} has {store.bits}-bit rows, not {bits}; choose a new folder.")
            return store
        if bits not in (8, 16):
            raise InputError(f"A feature store has 8 or 16 bits a number, not {bits}.")
        folder.mkdir(parents=True, exist_ok=True)
        header = {"version": VERSION, "made_by": made_by, "places": places, "channels": channels, "bits": bits}
        for name in ("grids.bin", "scales.bin", "index.jsonl"):
            (folder / name).touch()
        temporary = folder / "store.json.new"
        temporary.write_text(json.dumps(header, indent=2) + "\n")
        temporary.replace(folder / "store.json")
        return cls(folder, header)

    @classmethod
    def open(cls, folder: str | Path, made_by: dict | None = None) -> "FeatureStore":
        """Open an existing store; with `made_by`, refuse one that another backbone or preprocessing made."""
        path = Path(folder) / "store.json"
        try:
            header = json.loads(path.read_text())
        except FileNotFoundError:
            raise InputError(f"There is no feature store in {folder}; make one: python -m train.extract_features.") from None
        except json.JSONDecodeError as error:
            raise InputError(f"{path} is not JSON ({error}); make the store anew in an empty folder.") from None
        if header.get("version") != VERSION:
            raise InputError(f"{path} has version {header.get('version')}, not {VERSION}; make the store anew.")
        if made_by is not None and header["made_by"] != made_by:
            wrong = [k for k in made_by | header["made_by"] if made_by.get(k) != header["made_by"].get(k)]
            key = wrong[0]
            raise InputError(
                f"The feature store {folder} was made with {key} {header['made_by'].get(key)!r}, not "
                f"{made_by.get(key)!r}; extract the features again into another folder."
            )
        return cls(folder, header)

    def __len__(self) -> int:
        return self.count

    def __contains__(self, name: str) -> bool:
        return name in self.rows

    def append(self, names: Sequence[str], hashes: Sequence[str], grids: Tensor) -> None:
        """Add photos: `grids (P, N, D)`. The index is written last, so a kill in between loses rows, never mixes them."""
        first = self.count
        data, scales = self._encode(grids)
        for file, array in (("grids.bin", data), ("scales.bin", scales)):
            with open(self.folder / file, "r+b") as handle:
                handle.seek(first * array[0].nbytes)
                handle.write(array.tobytes())
                handle.flush()
                os.fsync(handle.fileno())
        self._index(zip(names, hashes, range(first, first + len(data)), strict=True))
        self._map()

    def link(self, name: str, content_hash: str) -> bool:
        """Name a photo whose bytes are stored already; False if they are not."""
        row = self.hashes.get(content_hash)
        if row is None:
            return False
        self._index([(name, content_hash, row)])
        return True

    def lookup(self, names: Iterable[str]) -> np.ndarray:
        """Rows of photos by file name, -1 for those that the store lacks."""
        return np.array([self.rows.get(name, -1) for name in names], dtype=np.int64)

    def read(self, rows: np.ndarray | Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Grids `(P, N, D)` of the given rows."""
        index = torch.as_tensor(rows)
        grids = self.grids.index_select(0, index).to(dtype)
        if self.bits == 16:
            return grids
        low, step = self.scales.index_select(0, index).to(dtype).view(-1, 2, 1, 1).unbind(1)
        return grids.mul_(step).add_(low)

    def _encode(self, grids: Tensor) -> tuple[np.ndarray, np.ndarray]:
        grids = grids.detach().float().cpu()
        low, high = grids.amin((1, 2)), grids.amax((1, 2))
        step = ((high - low) / 255).clamp_min(1e-12)
        scales = torch.stack((low, step), 1).numpy()
        if self.bits == 16:
            return grids.numpy().astype(np.float16), scales
        return ((grids - low[:, None, None]) / step[:, None, None]).round().byte().numpy(), scales

    def _read_index(self) -> None:
        """Read the index; a last line that a kill cut short is cut off, any other broken line is an error."""
        path = self.folder / "index.jsonl"
        lines = path.read_bytes().split(b"\n")
        if lines.pop():
            with open(path, "r+b") as file:
                file.truncate(sum(len(line) + 1 for line in lines))
        for number, line in enumerate(lines, 1):
            try:
                name, content_hash, row = json.loads(line)
            except ValueError:
                raise InputError(f"Line {number} of {path} is broken; make the feature store anew.") from None
            self._remember(name, content_hash, row)

    def _index(self, entries: Iterable[tuple[str, str, int]]) -> None:
        entries = list(entries)
        with open(self.folder / "index.jsonl", "a") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
        for entry in entries:
            self._remember(*entry)

    def _remember(self, name: str, content_hash: str, row: int) -> None:
        self.rows[name], self.hash_of[name] = row, content_hash
        self.hashes.setdefault(content_hash, row)

    @property
    def count(self) -> int:
        """Photos stored (rows)."""
        return max(self.hashes.values(), default=-1) + 1

    def _map(self) -> None:
        rows = self.count
        size = rows * self.places * self.channels * self.dtype.itemsize
        if (self.folder / "grids.bin").stat().st_size < size or (self.folder / "scales.bin").stat().st_size < rows * 8:
            raise InputError(f"The feature store {self.folder} is shorter than its index says; make it anew.")
        if rows == 0:
            return
        shape = (rows, self.places, self.channels)
        # mode 'c' maps the file copy-on-write: torch wants writable memory, and the file stays as it is
        self.grids = torch.from_numpy(np.memmap(self.folder / "grids.bin", self.dtype, "c", shape=shape))
        self.scales = torch.from_numpy(np.memmap(self.folder / "scales.bin", np.float32, "c", shape=(rows, 2)))
