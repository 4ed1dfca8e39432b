"""The ONNX runtime gives the results of PyTorch, through the same methods."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from tests.data.refusal import refusal
from vqa.checkpoint.find import read_checkpoint
from vqa.evidence import evidence, occlusion, what_if
from vqa.model.processing import VQAImageProcessor
from vqa.predict import VQA
from vqa.runtimes import array
from vqa.runtimes.onnx import FOLDER, normalize, read_config

QUESTION = "what is on the table?"
QUESTIONS = (QUESTION, "cat", "how many dogs are there on the zebra table?")


def test_the_runtime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    environment = {name: os.environ[name] for name in os.environ.keys() - {"ORT_DISABLE_TELEMETRY", "CI"}}
    command = [sys.executable, "-c", "import vqa.runtimes.onnx"]
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}  # of the reports that are to be sent
    subprocess.run(command, env=environment | places, check=True, cwd=Path(__file__).parents[2])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def theirs(tiny_checkpoint: Path) -> VQA:
    return VQA.load(tiny_checkpoint, "cpu", "float32", "torch")


@pytest.fixture(scope="module")
def ours(tiny_onnx: Path) -> VQA:
    return VQA.load(tiny_onnx, runtime="onnx")


def photo(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8))


def test_answers_are_the_same(ours: VQA, theirs: VQA) -> None:
    for seed in range(3):
        for one, other in zip(*(vqa.ask_many(photo(seed), QUESTIONS) for vqa in (ours, theirs)), strict=True):
            for found, expected in zip(*((it.blind, *it.top, *it.words) for it in (one, other)), strict=True):
                assert found == (expected[0], pytest.approx(expected[1], abs=1e-4))
            assert (one.unknown_words, one.note) == (other.unknown_words, other.note)
            assert one.photo_mattered == pytest.approx(other.photo_mattered, abs=1e-4)
            assert (one.sure, one.guess, one.glimpse) == (other.sure, other.guess, other.glimpse)
            assert one.glimpse is not None
            assert one.attention == pytest.approx(other.attention, abs=1e-4)
            assert one.to_dict().keys() == other.to_dict().keys()
    assert ours.weights_hash() != theirs.weights_hash()


def test_mostly_unknown_words_are_remarked_and_another_language_is_refused(ours: VQA, theirs: VQA) -> None:
    for vqa in (ours, theirs):
        answer = vqa.ask(photo(0), "wat colr iz the cat?")
        assert answer.note == "the model does not know 3 of the 5 words of the question" and not answer.sure
        assert "Spanish" in refusal(vqa.ask, photo(0), "¿qué animal hay en la mesa?")


@pytest.mark.parametrize(("photos", "asked"), [(1, 1), (1, 5), (4, 1), (3, 7)])
def test_every_number_is_the_same_for_any_batch(ours: VQA, theirs: VQA, photos: int, asked: int) -> None:
    squares = np.random.default_rng(photos).integers(0, 256, (photos, 64, 64, 3), dtype=np.uint8)
    questions = [QUESTIONS[i % 3] for i in range(asked)]
    index = np.random.default_rng(asked).integers(photos, size=asked)
    grids = [vqa.encode_squares(squares) for vqa in (ours, theirs)]
    assert grids[0] == pytest.approx(array(grids[1]), abs=1e-4)
    both = zip((ours, theirs), grids, strict=True)
    found = [vqa.logits(grid, questions, index, image_only=True, falls=True) for vqa, grid in both]
    for name, one, other in zip(found[0]._fields, *found, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4, err_msg=name)


def test_a_folder_of_an_earlier_version_answers(tiny_onnx: Path, tmp_path: Path, ours: VQA) -> None:
    """Without the output `falls`, and without the thresholds in its configuration."""
    folder = Path(shutil.copytree(tiny_onnx, tmp_path / "old"))
    file = folder / FOLDER / "question.onnx"
    proto = onnx.load(file)
    (falls,) = (output for output in proto.graph.output if output.name == "falls")
    proto.graph.output.remove(falls)
    onnx.save(proto, file)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["sure"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    old, new = (vqa.ask(photo(0), QUESTION).to_dict() for vqa in (VQA.load(folder, runtime="onnx"), ours))
    assert old["glimpse"] is None and new["glimpse"] is not None
    for name in ("answer", "confidence", "sure", "photo_mattered"):
        assert old[name] == new[name]


def test_a_temperature_that_divides_by_nothing_is_refused(tiny_onnx: Path) -> None:
    checkpoint = read_checkpoint(tiny_onnx)
    impossible = replace(checkpoint, config=checkpoint.config | {"temperature": 0})
    assert "temperature is 0" in refusal(read_config, impossible)


@pytest.mark.parametrize("mean", [0.5, (0.485, 0.456, 0.406)])
def test_photos_become_the_same_numbers(tiny_checkpoint: Path, mean: float | tuple[float, ...]) -> None:
    settings = replace(read_checkpoint(tiny_checkpoint), image_mean=mean, image_std=0.25)
    square = VQAImageProcessor(64, mean, 0.25).square(photo(0))[None]
    expected = VQAImageProcessor(64, mean, 0.25).normalize(torch.from_numpy(square))
    assert np.array_equal(normalize(square, settings), expected.numpy())


def test_parts_are_covered_without_gradients(ours: VQA, theirs: VQA) -> None:
    mask = np.array([[1, 0], [0, 0]])
    one, other = (what_if(vqa, photo(1), QUESTION, mask) for vqa in (ours, theirs))
    assert [row[0] for row in one.changes] == [row[0] for row in other.changes]
    assert [row[2] for row in one.changes] == pytest.approx([row[2] for row in other.changes], abs=1e-4)
    maps = [occlusion(vqa, photo(1), QUESTION) for vqa in (ours, theirs)]
    assert maps[0] == pytest.approx(maps[1], abs=1e-4)
    assert "need the runtime torch" in refusal(evidence, ours, photo(0), QUESTION, "yes")
    assert "reads no feature store" in refusal(ours.made_by)


def test_answers_that_the_network_does_not_score_are_refused(tiny_onnx: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_onnx, tmp_path / "fewer"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "yes"}}))
    assert "scores 5 answers, but" in refusal(VQA.load, folder, runtime="onnx")


def test_what_cannot_be_loaded_is_reported(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for settings, message in (
        ({"device": "cuda", "runtime": "onnx"}, "not on 'cuda'"),
        ({"dtype": "bfloat16", "runtime": "onnx"}, "has no precision 'bfloat16'"),
        ({"runtime": "tensorflow"}, "no runtime 'tensorflow'; choose one of auto, torch, onnx, onnx-int8"),
        ({"runtime": "onnx-int8"}, "image_encoder_int8.onnx; write it where PyTorch is installed"),
    ):
        assert message in refusal(VQA.load, tiny_onnx, **settings)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for runtime, package in (("torch", "torch"), ("onnx", "onnxruntime"), ("auto", "onnxruntime")):
        assert f"needs {package}, which is not installed" in refusal(VQA.load, tiny_onnx, runtime=runtime)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "has no config.json"),
        ("config.json", b"{}", "not of model type"),
        ("config.json", b"[]", "holds no JSON object"),
        ("processor_config.json", b'{"image_processor": 7}', "cannot be read"),
        ("tokenizer.json", b"{}", "cannot be read"),
        (f"{FOLDER}/image_encoder.onnx", None, "image_encoder.onnx; write it where PyTorch is installed"),
        (f"{FOLDER}/question.onnx", b"no model", "is damaged or no ONNX file"),
        (f"{FOLDER}/question.onnx", b"", "is damaged or no ONNX file"),
        (f"{FOLDER}/question.onnx", (b"grid_size", b"grad_size"), "was not written by python -m train.export_onnx"),
    ],
)
def test_a_folder_that_cannot_be_read_is_reported(
    tiny_onnx: Path, tmp_path: Path, name: str, content: bytes | tuple[bytes, bytes] | None, message: str
) -> None:
    """The file `name` is missing, or holds something else, or one word is replaced by another."""
    folder = Path(shutil.copytree(tiny_onnx, tmp_path / "broken"))
    file = folder / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content if isinstance(content, bytes) else file.read_bytes().replace(*content))
    assert message in refusal(VQA.load, folder, runtime="onnx")
