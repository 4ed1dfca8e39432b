"""Making a feature store: all photos, once, whatever happens in between."""

import json
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pyarrow import parquet
from safetensors.torch import save_file

from tests.train.refused import refused
from train import extract_features
from train.extract_features import extract, list_photos, main
from vqa.checkpoint.provenance import provenance
from vqa.data.features import FeatureStore
from vqa.model.errors import InputError
from vqa.model.image_encoder import ImageEncoder
from vqa.model.processing import VQAImageProcessor

SIZE = 16
NAMES = [*(f"{i}.png" for i in range(6)), "more/6.PNG"]
PROCESSOR = VQAImageProcessor(SIZE)


@dataclass
class Extraction:
    """Photos to extract to `folder / "store"`, three at a time."""

    folder: Path
    photos: Path
    encoder: ImageEncoder

    def run(self, *folders: Path, **options: Any) -> str:
        photos = list_photos(folders or [self.photos])
        return extract(photos, self.folder / "store", self.encoder, "tiny", PROCESSOR, **{"batch_size": 3} | options)

    def store(self, **more: bool) -> FeatureStore:
        return FeatureStore.open(self.folder / "store", provenance(self.encoder.state_dict(), "tiny", PROCESSOR) | more)

    def assert_stored(self, *names: str, step: int = 1, atol: float = 0.02, **more: bool) -> None:
        """The store's grids are those of the encoder; of mirrored photos with a step of -1."""
        squares = np.stack([PROCESSOR.square(self.photos / name)[:, ::step] for name in names])
        with torch.inference_mode():
            expected = self.encoder.eval()(PROCESSOR.normalize(torch.from_numpy(squares)))
        store = self.store(**more)
        torch.testing.assert_close(store.read(store.lookup(names)), expected, rtol=1e-3, atol=atol)


@pytest.fixture
def extraction(tmp_path: Path) -> Extraction:
    """Seven photos, one of them in a subfolder, and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (7, 20, 30, 3), dtype=np.uint8)
    for name, pixels in zip(NAMES, noise, strict=True):
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("not a photo")
    torch.manual_seed(0)
    return Extraction(tmp_path, folder, ImageEncoder("tiny", SIZE))


@pytest.mark.parametrize(("bits", "atol"), [(8, 0.02), (16, 1e-3)])
def test_every_photo_is_encoded_and_the_encoder_stays_as_it_is(extraction: Extraction, bits: int, atol: float) -> None:
    before = {name: value.clone() for name, value in extraction.encoder.state_dict().items()}
    report = extraction.run(bits=bits)
    torch.testing.assert_close(dict(extraction.encoder.state_dict()), before, rtol=0, atol=0)
    assert extraction.encoder.training
    assert "7 photos encoded" in report and "0 known already, 0 skipped; 7 rows of 4 x 64" in report
    assert set(extraction.store().rows) == set(NAMES)
    extraction.assert_stored(*NAMES, atol=atol)


def test_a_second_run_encodes_what_has_changed(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    extraction.run()
    before = {path.name: path.read_bytes() for path in (extraction.folder / "store").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(extraction.encoder, "forward", lambda pixels: pytest.fail("encoded again"))
        report = extraction.run()
    assert "0 photos encoded" in report and "7 known already" in report
    assert {path.name: path.read_bytes() for path in (extraction.folder / "store").iterdir()} == before
    Image.new("RGB", (20, 20), "red").save(extraction.photos / "1.png")
    assert "1 photos encoded" in extraction.run()
    extraction.assert_stored("1.png")


def test_a_killed_run_is_continued(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    append = FeatureStore.append

    def kill(self: FeatureStore, *batch: Any) -> None:
        append(self, *batch)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(FeatureStore, "append", kill)
        extraction.run()
    assert len(extraction.store()) == 3
    for name, half in (("index.jsonl", b'["4.png", "ab'), ("grids.bin", b"half a row")):  # what was being written
        with open(extraction.folder / "store" / name, "ab") as file:
            file.write(half)
    report = extraction.run()
    assert "4 photos encoded" in report and "3 known already" in report
    assert set(extraction.store().rows) == set(NAMES)
    extraction.assert_stored(*NAMES)


def test_broken_photos_are_skipped_and_named(extraction: Extraction, capsys: pytest.CaptureFixture[str]) -> None:
    photos = extraction.photos
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:300])
    (photos / "3.png").write_bytes(b"")
    (photos / "folder.png").mkdir()
    report = extraction.run()
    assert "5 photos encoded" in report and "2 skipped" in report
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in sorted(lines)] == [f"skipped {photos / name}" for name in ("2.png", "3.png")]
    assert not {"2.png", "3.png"} & set(extraction.store().rows)
    Image.new("RGB", (20, 20), "red").save(photos / "2.png")
    assert "1 photos encoded" in extraction.run()  # repaired, it is added


def test_the_same_bytes_share_a_row(extraction: Extraction) -> None:
    for copy in ("00.png", "zz.png"):  # in the same batch, and in a later one
        shutil.copy(extraction.photos / "0.png", extraction.photos / copy)
    extraction.run()
    extraction.run()
    store = extraction.store()
    assert len(store) == 7 and len(store.rows) == 9
    assert len({store.rows[name] for name in ("0.png", "00.png", "zz.png")}) == 1


def test_folders_are_put_together(extraction: Extraction) -> None:
    other = extraction.folder / "other"
    other.mkdir()
    Image.new("RGB", (20, 20), "red").save(other / "red.png")
    assert "8 photos encoded" in extraction.run(extraction.photos, other)
    Image.new("RGB", (20, 20), "blue").save(other / "1.png")
    with pytest.raises(InputError, match=r"Both .*photos/1.png and .*other/1.png are named 1.png; .*\.$"):
        extraction.run(extraction.photos, other)


@pytest.fixture
def command(extraction: Extraction) -> list[str]:
    weights = extraction.folder / "encoder.safetensors"
    save_file(extraction.encoder.state_dict(), weights)
    return [
        *("--images", str(extraction.photos), "--output", str(extraction.folder / "store")),
        *("--backbone", "tiny", "--pretrained", str(weights), "--image-size", str(SIZE)),
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--images", "nowhere"], "There is no folder nowhere"),
        (["--images", "EMPTY"], "There are no photos in"),
        (["--backbone", "tinny"], "tinny"),
        (["--pretrained", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--pretrained", "package"], "No package carries weights for 'tiny'"),
        (["--output", "FILE"], "is not a writable folder"),
        (["--batch-size", "0"], "at least 1"),
        (["--threads", "0"], "at least 1"),
        (["--image-size", "0"], "0-pixel"),
    ],
)
def test_bad_arguments_are_reported(command: list[str], tmp_path: Path, flags: list[str], message: str) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("")
    flags = [str(tmp_path / flag) if flag.isupper() else flag for flag in flags]
    assert message in refused(main, *command, *flags)


def test_the_command_fills_a_store(command: list[str], extraction: Extraction, capsys: pytest.CaptureFixture) -> None:
    """Which refuses another encoder."""
    assert main(command) == 0
    assert "7 photos encoded" in capsys.readouterr().out
    store = extraction.store()  # the provenance of these weights, in float32
    assert len(store) == 7 and store.bits == 8
    torch.manual_seed(1)
    save_file(ImageEncoder("tiny", SIZE).state_dict(), other := extraction.folder / "other.safetensors")
    assert "weights" in refused(main, *command, "--pretrained", other)
    assert "bits" in refused(main, *command, "--bits", "16")


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install -e '.[scale]'")
def test_the_parquet_of_ray_s_workers_fills_the_same_store(
    command: list[str], extraction: Extraction, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vqa import scale

    def compute(todo: list[dict], worker: tuple, *_: object) -> None:  # in this process, as one of Ray's would
        one = scale.Worker(*worker)
        assert [one({key: np.array([value]) for key, value in block.items()})["error"] for block in todo] == [[""]]

    monkeypatch.setattr(scale, "compute", compute)
    assert main(command) == 0
    expected = extraction.store()
    (extraction.photos / "damaged.png").write_bytes(b"damaged")
    folder = extraction.folder / "features"
    options = ["--output", str(folder), "--engine", "ray", "--workers", "1", "--batch-size", "4"]
    assert main([*command, *options]) == 1
    assert f"7 rows are in {folder / 'grids'}, and 1 in {folder / 'refused'}." in capsys.readouterr().out
    settings = json.loads((folder / "run.json").read_text())
    store = None
    for part in sorted(folder.glob("grids/*.parquet")):
        for row in parquet.read_table(part).to_pylist():
            if store is None:
                shape = row["places"], row["channels"], settings["bits"]
                store = FeatureStore.create(extraction.folder / "again", settings["made_by"], *shape)
            numbers = np.frombuffer(row["grid"], np.uint8).reshape(1, row["places"], row["channels"])
            grid = row["low"] + torch.from_numpy(numbers.astype(np.float32)) * row["step"]
            store.append([row["photo"]], [row["hash"]], grid)
    assert store is not None and store.made_by == expected.made_by and store.hash_of == expected.hash_of
    grids = [each.read(each.lookup(NAMES)) for each in (store, expected)]
    torch.testing.assert_close(*grids, rtol=0, atol=0.02)
    assert "was begun with bits 8, not 16" in refused(main, *command, *options, "--bits", "16")


def test_mirrored_photos_have_a_store_of_their_own(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    extraction.run(mirrored=True, bits=16)
    with pytest.raises(InputError, match="was made with mirrored True"):
        extraction.store()
    for step in (1, -1):  # their lighting is changed, too
        with pytest.raises(AssertionError):
            extraction.assert_stored(*NAMES, step=step, atol=1e-2, mirrored=True)
    monkeypatch.setattr(extract_features, "relight", lambda pixels: pixels)
    (extraction.folder / "store").rename(extraction.folder / "relit")
    extraction.run(mirrored=True, bits=16)
    extraction.assert_stored(*NAMES, step=-1, atol=2e-3, mirrored=True)
