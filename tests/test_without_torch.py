"""Answering, evaluating and the app where PyTorch, transformers and what comes with them cannot be imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
# A module that is None here cannot be imported.
WITHOUT = """
import sys
for name in ("torch", "torchvision", "timm", "transformers", "safetensors", "accelerate", "onnx"):
    sys.modules[name] = None
"""
APP = """
from gradio_client import Client, handle_file
from tests.ui.conftest import free_port
from ui import app
from ui.learn.cells import WORDS, Cells
from ui.models import Models
from ui.page import build_page
import json

models = Models(sys.argv[1], runtime="onnx")
models.load()
page = build_page(models)
address = app.open_page(page, "127.0.0.1", free_port())
client = Client(address, verbose=False, analytics_enabled=False)
photo = handle_file(sys.argv[2])
answer = client.predict(photo, "what is on the table?", api_name="/ask")
covered = client.predict(photo, "what is on the table?", [[1, 0], [0, 0]], api_name="/what_if")
refused = []
calls = ((photo, "what is on the table?", "yes"), "/evidence"), ((photo,), "/describe"), (("what is",), "/complete")
for asked, name in calls:
    try:
        refused.append(client.predict(*asked, api_name=name))
    except Exception as error:
        refused.append(str(error))
refused.append(Cells(models).cells("what is on the table?", WORDS, 1, "h", 0))
print(json.dumps([answer, covered, refused]))
page.close(verbose=False)
"""


def run(code: str, *arguments: str | Path, status: int = 0) -> str:
    command = [sys.executable, "-c", WITHOUT + code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def cli(*arguments: str | Path, status: int = 0) -> str:
    return run("from vqa.cli import main\nsys.exit(main(sys.argv[1:]))", *arguments, status=status)


def test_the_command_line_answers(tiny_onnx: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    asked = ("ask", photo, "what is on the table?", "--json", "--overlay", tmp_path / "where.png")
    said = json.loads(cli(*asked, "--model", tiny_onnx))  # without PyTorch the runtime is ONNX
    from vqa import VQA

    expected = VQA.load(tiny_checkpoint, "cpu", "float32").ask(photo, "what is on the table?").to_dict()
    assert said["answer"] == expected["answer"] and said.keys() == expected.keys()
    assert said["confidence"] == pytest.approx(expected["confidence"], abs=1e-4)
    assert min(Image.open(tmp_path / "where.png").size) > 100


def test_an_evaluation_needs_none_either(tiny_onnx: Path, photo: Path, tmp_path: Path) -> None:
    data = tmp_path / "questions.jsonl"
    data.write_text(json.dumps({"image": photo.name, "question": "what is it?", "answer": "yes"}) + "\n")
    cli("evaluate", "--data", data, "--images", photo.parent, "--model", tiny_onnx, "--output", tmp_path / "results")
    content = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert (content["n"], content["environment"]["runtime"]) == (1, "onnx")


def test_a_need_for_pytorch_is_reported(tiny_onnx: Path, tiny_checkpoint: Path, photo: Path) -> None:
    error = cli("ask", photo, "what is it?", "--model", tiny_onnx, "--runtime", "torch", status=2)
    assert "The runtime 'torch' needs torch, which is not installed" in error and error.count("\n") == 1
    error = cli("complete", "what is", status=2)
    assert "This needs PyTorch" in error and error.count("\n") == 1
    assert "There is no" in cli("ask", photo, "what is it?", "--model", tiny_checkpoint, status=2)


def test_the_app_opens_answers_and_reports_what_it_cannot_do(tiny_onnx: Path, photo: Path) -> None:
    answer, covered, refused = json.loads(run(APP, tiny_onnx, photo).splitlines()[-1])
    assert answer["answer"] in ("yes", "no", "2", "red", "teddy bear")
    assert covered["before"]["answer"] == answer["answer"]
    evidence, described, completed, cells = refused
    assert "need the runtime torch" in evidence
    for error in (described, completed, cells):
        assert "This needs PyTorch" in error, error
