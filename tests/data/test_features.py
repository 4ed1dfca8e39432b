import json
import os
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.data.refusal import refusal
from vqa.data.features import FeatureStore

MADE_BY = {"backbone": "tiny", "weights": "abc", "image_size": 64, "image_mean": [0.5, 0.4, 0.3]}
N, D = 4, 3


def grids(photos: int, places: int = N, channels: int = D, seed: int = 0) -> Tensor:
    """The first so many of an endless row of random grids."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((photos, places, channels), np.float32))


def store_of(folder: Path, photos: int = 5, bits: int = 8) -> FeatureStore:
    """A store with photos p0, p1, … of the contents h0, h1, …"""
    store = FeatureStore.create(folder, MADE_BY, N, D, bits)
    store.append([f"p{i}" for i in range(photos)], [f"h{i}" for i in range(photos)], grids(photos))
    return store


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_8_bits_are_within_half_a_step(tmp_path: Path, scale: float) -> None:
    true = grids(20) * scale
    store = FeatureStore.create(tmp_path / "store", MADE_BY, N, D)
    store.append([str(i) for i in range(20)], [str(i) for i in range(20)], true)
    step = (true.amax((1, 2)) - true.amin((1, 2))) / 255
    error = (store.read(np.arange(20)) - true).abs().amax((1, 2))
    assert (error <= step * 0.5001).all()
    assert (error > step * 0.3).any()  # it is 8 bits indeed


def test_16_bits_are_half_precision(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", bits=16)
    assert torch.equal(store.read(range(5)), grids(5).half().float())


@pytest.mark.parametrize("bits", [8, 16])
def test_a_constant_grid_and_a_rounded_read(tmp_path: Path, bits: int) -> None:
    store = FeatureStore.create(tmp_path / "store", MADE_BY, N, D, bits)
    store.append(["a", "b"], ["a", "b"], torch.stack((torch.full((N, D), 2.5), grids(1)[0])))
    assert torch.equal(store.read([0]), torch.full((1, N, D), 2.5))
    assert torch.equal(store.read([0, 1], torch.bfloat16), store.read([0, 1]).bfloat16())


def test_a_photo_takes_at_most_64_kb_at_8_bits_and_128_at_16(tmp_path: Path) -> None:
    for bits, limit in ((8, 64 << 10), (16, 128 << 10)):
        folder = tmp_path / str(bits)
        store = FeatureStore.create(folder, MADE_BY, 49, 1280, bits)
        names = [f"train2014/COCO_train2014_{i:012d}.jpg" for i in range(10)]
        store.append(names, [f"{i:032x}" for i in range(10)], grids(10, 49, 1280))
        store.append(["again"], ["0" * 32], grids(1, 49, 1280))
        assert sum(path.stat().st_size for path in folder.iterdir()) < 10 * limit


@pytest.mark.parametrize("bits", [8, 16])
def test_rows_by_name_in_any_order(tmp_path: Path, bits: int) -> None:
    store_of(tmp_path / "store", bits=bits)
    store = FeatureStore.open(tmp_path / "store", MADE_BY)
    assert store.lookup(["p3", "unknown", "p0"]).tolist() == [3, -1, 0]
    assert len(store) == 5
    whole = store.read(torch.arange(5))
    assert torch.equal(store.read([3, 0, 3]), whole[[3, 0, 3]])
    assert store.read([]).shape == (0, N, D)
    for rows in ([-1], [5], [0, 9]):
        with pytest.raises(IndexError):
            store.read(rows)


def test_an_empty_store(tmp_path: Path) -> None:
    FeatureStore.create(tmp_path / "store", MADE_BY, N, D)
    store = FeatureStore.open(tmp_path / "store")
    assert len(store) == 0
    with pytest.raises(IndexError):
        store.read([0])


def test_same_bytes_share_a_row(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", photos=2)
    store.append(["new", "copy of p1", "copy of new"], ["h2", "h1", "h2"], grids(3, seed=1))
    assert len(store) == 3
    assert store.link("another p0", "h0") and not store.link("unknown", "h9")
    store.append(["last"], ["h3"], grids(1, seed=2))
    for opened in (store, FeatureStore.open(tmp_path / "store")):
        assert opened.lookup(["new", "copy of p1", "copy of new", "another p0", "last"]).tolist() == [2, 1, 2, 0, 3]
        torch.testing.assert_close(opened.read([2, 3])[0], grids(3, seed=1)[0], atol=0.02, rtol=0)
        torch.testing.assert_close(opened.read([2, 3])[1], grids(1, seed=2)[0], atol=0.02, rtol=0)
    assert (tmp_path / "store/grids.bin").stat().st_size == 4 * N * D


def test_a_photo_that_changed_gets_a_new_row(tmp_path: Path) -> None:
    store_of(tmp_path / "store", photos=2).append(["p0"], ["changed"], grids(1, seed=1))
    store = FeatureStore.open(tmp_path / "store")
    assert store.lookup(["p0", "p1"]).tolist() == [2, 1] and store.hash_of["p0"] == "changed"


@settings(max_examples=15)
@given(cut=st.integers(0, 200), more_data=st.integers(0, 50))
def test_goes_on_after_a_kill_anywhere(tmp_path_factory: pytest.TempPathFactory, cut: int, more_data: int) -> None:
    """The index is what a kill leaves of it, the data is ahead of it or not; nothing is ever mixed up."""
    folder = tmp_path_factory.mktemp("kill") / "store"
    true = grids(8)
    store_of(folder)
    index = (folder / "index.jsonl").read_bytes()
    (folder / "index.jsonl").write_bytes(index[:cut])
    with (folder / "grids.bin").open("ab") as file:
        file.write(os.urandom(more_data))
    whole = index[:cut].count(b"\n")

    reader = FeatureStore.open(folder, MADE_BY)  # only reads: leaves the files as they are
    assert (folder / "index.jsonl").read_bytes() == index[:cut]
    assert len(reader) == whole
    store = FeatureStore.create(folder, MADE_BY, N, D)
    for first in range(whole, 8, 2):
        rows = range(first, min(first + 2, 8))
        store.append([f"p{i}" for i in rows], [f"h{i}" for i in rows], true[first : first + 2])
    for opened in (store, FeatureStore.open(folder)):
        assert opened.lookup(f"p{i}" for i in range(8)).tolist() == list(range(8))
        torch.testing.assert_close(opened.read(range(8)), true, atol=0.02, rtol=0)


def test_other_features_are_refused(tmp_path: Path) -> None:
    folder, other = tmp_path / "store", MADE_BY | {"backbone": "timm:other"}
    store_of(folder)
    assert "made with backbone 'tiny', not 'timm:other'; extract" in refusal(FeatureStore.open, folder, made_by=other)
    assert "made with new None, not 1" in refusal(FeatureStore.open, folder, made_by=MADE_BY | {"new": 1})
    for arguments in ((other, N, D, 8), (MADE_BY, N + 1, D, 8), (MADE_BY, N, D + 1, 8), (MADE_BY, N, D, 16)):
        assert "extract the features again into another folder" in refusal(FeatureStore.create, folder, *arguments)
    same = MADE_BY | {"image_mean": (0.5, 0.4, 0.3)}  # JSON has no tuples
    assert len(FeatureStore.create(folder, same, N, D)) == 5
    assert "8 or 16 bits" in refusal(FeatureStore.create, tmp_path / "new", MADE_BY, N, D, 4)
    assert not (tmp_path / "new").exists()


def test_grids_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for bits in (8, 16):
        store = store_of(tmp_path / str(bits), bits=bits)
        assert "holds grids of 4 x 3, not 4 x 2" in refusal(store.append, ["a"], ["a"], grids(1, N, 2))
        for wrong in (float("nan"), float("inf"), -float("inf")):
            bad = grids(2)
            bad[1, 2, 1] = wrong
            assert f"that {bits} bits cannot hold" in refusal(store.append, ["a", "b"], ["a", "b"], bad)
        assert len(FeatureStore.open(tmp_path / str(bits))) == 5
    assert "16 bits cannot hold" in refusal(store.append, ["a"], ["a"], grids(1) * 1e6)


def test_damaged_stores_are_reported_in_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    assert "There is no feature store" in refusal(FeatureStore.open, folder)
    store_of(folder)
    for name in ("scales.bin", "grids.bin"):
        os.truncate(folder / name, (folder / name).stat().st_size - 1)
        assert f"{name} is shorter than its index says" in refusal(FeatureStore.open, folder)
    index = folder / "index.jsonl"
    lines = index.read_text().splitlines()
    for broken in ("{", "5", '["a", "b"]', '["a", "b", "c"]', '["a", [], 1]'):
        index.write_text("\n".join([*lines[:2], broken, *lines[2:], ""]))
        assert f"Line 3 of {index} is invalid" in refusal(FeatureStore.open, folder)
    index.unlink()
    assert "cannot be read" in refusal(FeatureStore.open, folder)
    header = folder / "store.json"
    later = json.dumps(json.loads(header.read_text()) | {"version": 2})
    for text in ("{", "[]", later, '{"version": 1, "bits": 8}'):
        header.write_text(text)
        assert "feature store of version 1 is needed" in refusal(FeatureStore.open, folder)
    header.unlink()
    index.touch()
    assert "has lost its" in refusal(FeatureStore.create, folder, MADE_BY, N, D)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written: " in refusal(FeatureStore.create, tmp_path / "file", MADE_BY, N, D)
    store = store_of(tmp_path / "store")
    (tmp_path / "store/grids.bin").unlink()
    assert "cannot be written: " in refusal(store.append, ["a"], ["a"], grids(1))


def test_only_the_rows_that_are_read_are_loaded(tmp_path: Path) -> None:
    folder, photos = tmp_path / "store", 64
    store = FeatureStore.create(folder, MADE_BY, 1024, 1024)
    store.append(["first"], ["first"], grids(1, 1024, 1024))
    for name, row in (("grids.bin", 1024 * 1024), ("scales.bin", 8)):
        os.truncate(folder / name, photos * row)  # to zeros
    with (folder / "index.jsonl").open("a") as index:
        index.writelines(json.dumps([f"p{i}", f"h{i}", i]) + "\n" for i in range(1, photos))
    before = psutil.Process().memory_info().rss
    store = FeatureStore.open(folder)
    rows = store.read([0, 20, 63], torch.float16)
    grown = psutil.Process().memory_info().rss - before
    assert isinstance(store.grids, np.memmap) and isinstance(store.scales, np.memmap)
    assert not store.grids.flags.writeable
    assert rows.shape == (3, 1024, 1024)
    assert grown < 32 << 20  # three rows and their float32 copies; the whole would be 64 MB
