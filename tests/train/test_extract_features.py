"""Making a feature store: all photos, once, whatever happens in between."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from train import extract_features
from train.extract_features import extract, list_photos, main
from vqa.checkpoint.provenance import provenance
from vqa.data.features import FeatureStore
from vqa.model.errors import InputError
from vqa.model.image_encoder import ImageEncoder
from vqa.model.processing import VQAImageProcessor

SIZE = 16
Extract = Callable[..., str]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven photos, one of them in a subfolder, and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (7, 20, 30, 3), dtype=np.uint8)
    for i, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / ("more/6.PNG" if i == 6 else f"{i}.png"))
    (folder / "notes.txt").write_text("not a photo")
    return folder


@pytest.fixture
def encoder() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder("tiny", SIZE)


@pytest.fixture
def run(photos: Path, encoder: ImageEncoder, tmp_path: Path) -> Extract:
    """`run(bits=16)`: extract the photos to `tmp_path / "store"`, three at a time."""

    def make(*folders: Path, **options: object) -> str:
        options = {"batch_size": 3} | options
        found = list_photos(folders or [photos])
        return extract(found, tmp_path / "store", encoder, "tiny", VQAImageProcessor(SIZE), **options)

    return make


def open_store(tmp_path: Path, encoder: ImageEncoder) -> FeatureStore:
    return FeatureStore.open(tmp_path / "store", provenance(encoder.state_dict(), "tiny", VQAImageProcessor(SIZE)))


def direct(encoder: ImageEncoder, photos: Path, names: list[str]) -> torch.Tensor:
    """The grids as the encoder gives them, without a store."""
    processor = VQAImageProcessor(SIZE)
    squares = np.stack([processor.square(photos / name) for name in names])
    with torch.inference_mode():
        return encoder.eval()(processor.normalize(torch.from_numpy(squares)))


@pytest.fixture
def names() -> list[str]:
    return [*(f"{i}.png" for i in range(6)), "more/6.PNG"]


@pytest.mark.parametrize("bits", [8, 16])
def test_every_photo_is_encoded(
    run: Extract, tmp_path: Path, photos: Path, encoder: ImageEncoder, names: list[str], bits: int
) -> None:
    report = run(bits=bits)
    assert "7 photos encoded" in report and "0 known already, 0 skipped; 7 rows of 4 x 64" in report
    store = open_store(tmp_path, encoder)
    assert set(store.rows) == set(names)
    expected = direct(encoder, photos, names)
    found = store.read(store.lookup(names))
    if bits == 8:
        step = (expected.amax((1, 2)) - expected.amin((1, 2))) / 255
        assert ((found - expected).abs().amax((1, 2)) <= step * 0.51 + 1e-6).all()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 if bits == 16 else 0.02)


def test_a_second_run_encodes_nothing(
    run: Extract, tmp_path: Path, encoder: ImageEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    before = {path.name: path.read_bytes() for path in (tmp_path / "store").iterdir()}
    monkeypatch.setattr(encoder, "forward", lambda pixels: pytest.fail("encoded again"))
    report = run()
    assert "0 photos encoded" in report and "7 known already" in report
    assert {path.name: path.read_bytes() for path in (tmp_path / "store").iterdir()} == before


def test_a_killed_run_is_continued(
    run: Extract, tmp_path: Path, photos: Path, encoder: ImageEncoder, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = FeatureStore.append

    def kill(self: FeatureStore, *batch: Any) -> None:
        append(self, *batch)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(FeatureStore, "append", kill)
        run()
    assert len(open_store(tmp_path, encoder)) == 3
    with open(tmp_path / "store/index.jsonl", "ab") as index:  # and a line that was being written
        index.write(b'["4.png", "ab')
    with open(tmp_path / "store/grids.bin", "ab") as grids:
        grids.write(b"half a row")
    report = run()
    assert "4 photos encoded" in report and "3 known already" in report
    store = open_store(tmp_path, encoder)
    assert set(store.rows) == set(names)
    torch.testing.assert_close(store.read(store.lookup(names)), direct(encoder, photos, names), rtol=0, atol=0.02)


def test_broken_photos_are_skipped_counted_and_named(
    run: Extract, photos: Path, tmp_path: Path, encoder: ImageEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:300])
    (photos / "3.png").write_bytes(b"")
    (photos / "folder.png").mkdir()
    report = run()
    assert "5 photos encoded" in report and "2 skipped" in report
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in sorted(lines)] == [f"skipped {photos / name}" for name in ("2.png", "3.png")]
    assert not {"2.png", "3.png"} & set(open_store(tmp_path, encoder).rows)
    good = Image.new("RGB", (20, 20), "red")
    good.save(photos / "2.png")
    assert "1 photos encoded" in run()  # repaired, it is added


def test_the_same_bytes_share_a_row(run: Extract, photos: Path, tmp_path: Path, encoder: ImageEncoder) -> None:
    shutil.copy(photos / "0.png", photos / "00.png")  # in the same batch
    shutil.copy(photos / "0.png", photos / "zz.png")  # in a later one
    run()
    run()
    store = open_store(tmp_path, encoder)
    assert len(store) == 7 and len(store.rows) == 9
    assert len({store.rows[name] for name in ("0.png", "00.png", "zz.png")}) == 1


def test_a_changed_photo_is_encoded_again(run: Extract, photos: Path, tmp_path: Path, encoder: ImageEncoder) -> None:
    run()
    Image.new("RGB", (20, 20), "red").save(photos / "1.png")
    assert "1 photos encoded" in run()
    store = open_store(tmp_path, encoder)
    torch.testing.assert_close(
        store.read(store.lookup(["1.png"])), direct(encoder, photos, ["1.png"]), rtol=0, atol=0.02
    )


def test_folders_are_put_together(run: Extract, photos: Path, tmp_path: Path, encoder: ImageEncoder) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (20, 20), "red").save(other / "red.png")
    assert "8 photos encoded" in run(photos, other)
    Image.new("RGB", (20, 20), "blue").save(other / "1.png")
    with pytest.raises(InputError, match=r"Both .*photos/1.png and .*other/1.png are named 1.png; .*\.$"):
        run(photos, other)


@pytest.fixture
def command(photos: Path, encoder: ImageEncoder, tmp_path: Path) -> list[str]:
    weights = tmp_path / "encoder.safetensors"
    save_file(encoder.state_dict(), weights)
    return [
        *("--images", str(photos), "--output", str(tmp_path / "store")),
        *("--backbone", "tiny", "--pretrained", str(weights), "--image-size", str(SIZE)),
    ]


def test_the_command(
    command: list[str], tmp_path: Path, encoder: ImageEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    assert "7 photos encoded" in capsys.readouterr().out
    store = open_store(tmp_path, encoder)  # the provenance of these weights, in float32
    assert len(store) == 7 and store.bits == 8


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--images", "nowhere"], "There is no folder nowhere"),
        (["--images", "EMPTY"], "There are no photos in"),
        (["--backbone", "tinny"], "tinny"),
        (["--pretrained", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--pretrained", "package"], "No package carries weights for 'tiny'"),
        (["--output", "FILE"], "cannot be written"),
        (["--batch-size", "0"], "at least 1"),
        (["--threads", "0"], "at least 1"),
        (["--image-size", "0"], "0-pixel"),
    ],
)
def test_bad_arguments_are_reported_in_one_sentence(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("")
    flags = [str(tmp_path / flag) if flag.isupper() else flag for flag in flags]
    assert main([*command, *flags]) == 2
    sentence = capsys.readouterr().err
    assert message in sentence and sentence.count("\n") == 1 and sentence.endswith(".\n")


def test_the_store_of_another_encoder_is_refused(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    torch.manual_seed(1)
    save_file(ImageEncoder("tiny", SIZE).state_dict(), tmp_path / "other.safetensors")
    for flags, key in ((["--pretrained", str(tmp_path / "other.safetensors")], "weights"), (["--bits", "16"], "bits")):
        assert main([*command, *flags]) == 2
        assert key in capsys.readouterr().err


def test_the_callers_encoder_stays_as_it_is(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder("tiny", SIZE)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    for name in ("first", "second"):
        extract(list_photos([photos]), tmp_path / name, encoder, "tiny", VQAImageProcessor(SIZE))
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert {value.dtype for value in encoder.parameters()} == {torch.float32} and encoder.training
    first, second = (json.loads((tmp_path / name / "store.json").read_text()) for name in ("first", "second"))
    assert first == second


def test_mirrored_photos_have_a_store_of_their_own(
    run: Extract, photos: Path, tmp_path: Path, encoder: ImageEncoder, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(mirrored=True, bits=16)
    with pytest.raises(InputError, match="was made with mirrored True"):
        open_store(tmp_path, encoder)
    made_by = provenance(encoder.state_dict(), "tiny", VQAImageProcessor(SIZE)) | extract_features.MIRRORED
    store = FeatureStore.open(tmp_path / "store", made_by)
    found = store.read(store.lookup(names))
    assert not torch.allclose(found, direct(encoder, photos, names), atol=1e-2)

    monkeypatch.setattr(extract_features, "augment", lambda pixels: pixels)  # mirrored and nothing else
    (tmp_path / "store").rename(tmp_path / "shifted")
    run(mirrored=True, bits=16)
    processor = VQAImageProcessor(SIZE)
    squares = torch.from_numpy(np.stack([processor.square(photos / name)[:, ::-1] for name in names]))
    with torch.inference_mode():
        expected = encoder.eval()(processor.normalize(squares))
    store = FeatureStore.open(tmp_path / "store", made_by)
    torch.testing.assert_close(store.read(store.lookup(names)), expected, atol=2e-3, rtol=2e-3)
