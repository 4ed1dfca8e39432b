"""Answering, evaluating and the app where PyTorch, transformers and what comes with them cannot be imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from vqa import VQA

ROOT = Path(__file__).resolve().parents[1]
# A module that is None here cannot be imported.
WITHOUT = """
import sys
for name in ("torch", "torchvision", "timm", "transformers", "safetensors", "accelerate", "onnx"):
    sys.modules[name] = None
"""
# Runs commands, then asks the app.
CODE = """
import contextlib, io, json
from gradio_client import Client, handle_file
from tests.ui.conftest import free_port
from ui import app
from ui.learn.cells import WORDS, Cells
from ui.models import Models
from vqa.cli import main

model, photo, commands = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
ended = []
for arguments in commands:
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        ended.append([main(arguments), out.getvalue(), error.getvalue()])

models = Models(model, runtime="onnx")
models.load()
photo, question, refused = handle_file(photo), "what is on the table?", []
with app.serving(models, port=free_port()) as front:
    client = Client(front.address, verbose=False, analytics_enabled=False)
    answer = client.predict(photo, question, api_name="/ask")
    covered = client.predict(photo, question, [[1, 0], [0, 0]], api_name="/what_if")
    for asked, name in ((photo, question, "yes"), "/evidence"), ((photo,), "/describe"), (("what is",), "/complete"):
        try:
            refused.append(client.predict(*asked, api_name=name))
        except Exception as error:
            refused.append(str(error))
refused.append(Cells(models).cells(question, WORDS, 1, "h", 0))
print(json.dumps([ended, answer, covered, refused]))
"""


def test_commands_and_the_app(tiny_onnx: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    data = tmp_path / "questions.jsonl"
    data.write_text(json.dumps({"image": photo.name, "question": "what is it?", "answer": "yes"}) + "\n")
    asked, model = ["ask", photo, "what is on the table?"], ["--model", tiny_onnx]
    commands = [
        [*asked, "--json", "--overlay", tmp_path / "where.png", *model],  # without PyTorch the runtime is ONNX
        ["evaluate", "--data", data, "--images", photo.parent, *model, "--output", tmp_path / "results"],
        [*asked, *model, "--runtime", "torch"],
        ["complete", "what is"],
        [*asked, "--model", tiny_checkpoint],
    ]
    command = [sys.executable, "-c", WITHOUT + CODE, str(tiny_onnx), str(photo), json.dumps(commands, default=str)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ended, answer, covered, (evidence, *others) = json.loads(done.stdout.splitlines()[-1])
    assert [status for status, _, _ in ended] == [0, 0, 2, 2, 2]
    said = json.loads(ended[0][1])
    expected = VQA.load(tiny_checkpoint, "cpu", "float32").ask(photo, "what is on the table?").to_dict()
    assert said["answer"] == expected["answer"] == answer["answer"] and said.keys() == expected.keys()
    assert said["confidence"] == pytest.approx(expected["confidence"], abs=1e-4)
    assert min(Image.open(tmp_path / "where.png").size) > 100
    content = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert (content["n"], content["environment"]["runtime"]) == (1, "onnx")
    reasons = ("The runtime 'torch' needs torch, which is not installed", "This needs PyTorch", "There is no")
    for (_, _, error), reason in zip(ended[2:], reasons, strict=True):
        assert reason in error and error.count("\n") == 1

    assert covered["before"]["answer"] == answer["answer"] and "need the runtime torch" in evidence
    assert len(others) == 3 and all("This needs PyTorch" in error for error in others), others
