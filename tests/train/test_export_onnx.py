"""Exported files, other cells and attentions, 8 bits, and models that cannot be exported."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from tests.train.refused import refused
from train import export_onnx
from train.export_onnx import QUESTION, Question, difference, write
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.save import save_checkpoint
from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel
from vqa.predict import VQA


def test_the_folder_is_complete_and_answers_as_pytorch(tiny_onnx: Path, tiny_checkpoint: Path) -> None:
    files = {path.relative_to(tiny_onnx).as_posix() for path in tiny_onnx.rglob("*") if path.is_file()}
    graphs = {f"onnx/{name}.onnx" for name in ("image_encoder", "image_encoder_w8", "model", "question", "question_w8")}
    assert files == {"config.json", *graphs, "processor_config.json", "tokenizer.json"}
    package = str(Path(export_onnx.__file__).parents[1]).encode()
    assert not any(package in (tiny_onnx / graph).read_bytes() for graph in graphs)  # nor any path of this machine
    net, processor = load_checkpoint(tiny_checkpoint)
    pixels = torch.rand(2, 3, 64, 64)
    input_ids, mask = processor.encode(["what is on the table?", "cat", "how many dogs?"])
    index = torch.tensor([1, 0, 1])
    session = onnxruntime.InferenceSession(tiny_onnx / "onnx" / "model.onnx")
    given = {"pixel_values": pixels, "input_ids": input_ids, "attention_mask": mask, "photo_index": index}
    names = ["logits", "attention", "word_weights"]
    found = session.run(names, {key: value.numpy() for key, value in given.items()})
    with torch.inference_mode():
        expected = net(input_ids, mask, pixel_values=pixels, photo_index=index)
    for name, values in zip(names, found, strict=True):
        assert values == pytest.approx(expected[name].numpy(), abs=1e-4), name
    shapes = {value.name: value.shape for value in (*session.get_inputs(), *session.get_outputs())}
    assert shapes["input_ids"] == ["B", "T"] and shapes["pixel_values"] == ["P", 3, 64, 64]
    assert shapes["attention"] == ["B", 2, 8, 8] and shapes["word_weights"] == ["B", "T"]


@pytest.mark.parametrize(
    "settings",
    [
        {"recurrent_cell": "gru", "num_layers": 2, "fusion": "concat", "attention": "none", "glimpses": 1},
        {"attention": "hard", "glimpses": 1, "coordinates": True},
        {"looks": 3, "glimpses": 1, "coordinates": "cells"},
    ],
)
def test_the_question_part_of_other_models_is_exported(tiny_checkpoint: Path, tmp_path: Path, settings: dict) -> None:
    torch.manual_seed(1)
    config = VQAConfig.from_pretrained(tiny_checkpoint).to_dict()
    net, file = VQAModel(VQAConfig(**(config | settings))).eval(), tmp_path / "question.onnx"
    write(net, Question(net).eval(), QUESTION, file)
    assert 0 <= difference(net, Question(net), QUESTION, file) <= 1e-4


@pytest.mark.parametrize("settings", [{"recurrent_cell": "rnn"}, {"bidirectional": True}])
def test_unsupported_cells_are_reported(tiny_checkpoint: Path, tmp_path: Path, settings: dict) -> None:
    config, (_, processor) = VQAConfig.from_pretrained(tiny_checkpoint).to_dict(), load_checkpoint(tiny_checkpoint)
    save_checkpoint(tmp_path / "changed", VQAModel(VQAConfig(**(config | settings))), processor)
    flags = ["--model", tmp_path / "changed", "--output", tmp_path / "exported"]
    assert "Only an LSTM or GRU in one direction" in refused(export_onnx.main, *flags)
    assert not (tmp_path / "exported").exists()


def test_8_bits_are_calibrated_on_photos(
    tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        rows += [{"image": f"{i}.png", "question": q, "answer": "yes"} for q in ("what is it?", "how many cats?")]
    data, output = tmp_path / "questions.jsonl", tmp_path / "exported"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    # the export itself is compared above
    monkeypatch.setattr(export_onnx, "export_onnx", lambda model, output: shutil.copytree(tiny_onnx, output))
    given = ["--output", str(output), "--calibrate", str(data), "--images", str(tmp_path), "--photos", "4"]
    assert export_onnx.main(given) == 0
    assert "calibrated on 4 photos" in capsys.readouterr().out
    full, rough = (VQA.load(output, runtime=runtime) for runtime in ("onnx", "onnx-int8"))
    for part, original in zip(rough.engine.weights, full.engine.weights, strict=True):
        kinds = {i.type for i in onnxruntime.InferenceSession(part).get_inputs()}
        assert kinds <= {"tensor(float)", "tensor(int64)"}
        assert b"QuantizeLinear" in part.read_bytes() and b"QuantizeLinear" not in original.read_bytes()
    for i in range(6):
        one, other = (vqa.ask(tmp_path / f"{i}.png", "what is on the table?", top=5) for vqa in (full, rough))
        exact = {score.answer: score.score for score in one.top}
        assert {score.answer: score.score for score in other.top} == pytest.approx(exact, abs=0.05)
        assert other.top != one.top


def test_bad_input_is_reported(tmp_path: Path) -> None:
    flags = ["--output", tmp_path / "exported"]
    assert "There is no model folder nowhere" in refused(export_onnx.main, *flags, "--model", "nowhere")
    assert "nowhere.jsonl" in refused(export_onnx.main, *flags, "--calibrate", "nowhere.jsonl")
    assert not (tmp_path / "exported").exists()
