"""Up to the Hub and down again, against a Hub on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import ModelCard

from tests.data.refusal import refusal
from tests.fake_hub import FakeHub
from vqa.checkpoint.hub import main, push, upload
from vqa.predict import VQA

QUESTION = "what is on the table?"
CODE = {"configuration.py", "model.py", "processing.py", "pipeline.py", "text.py", "photos.py"}


def test_a_folder_goes_up_whole(hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "optimizer.pt").write_bytes(b"left behind")
    for name in (".cache", "checkpoint-7"):
        (folder / name).mkdir()
        (folder / name / "note.json").write_text("left behind")
    assert main([str(folder), "me/cats", "--private"]) == 0
    assert capsys.readouterr().out.strip() == f"{hub.address}/me/cats"
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".pt"}
    assert hub.repositories == {"me/cats": kept}
    assert {"config.json", "model.safetensors", "README.md", *CODE} <= kept.keys()
    assert hub.made[0].get("visibility") == "private" or hub.made[0].get("private") is True
    assert len(hub.commits) == 1
    # again, with what has changed
    (folder / "README.md").write_text("---\npipeline_tag: visual-question-answering\n---\n# My own words\n")
    assert push(folder, "me/cats") == f"{hub.address}/me/cats"
    assert hub.repositories["me/cats"]["README.md"].endswith(b"# My own words\n") and len(hub.commits) == 2


def test_a_space_goes_up_too(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "app.py").write_text("print('app')\n")
    assert upload(tmp_path / "space", "me/app", kind="space", sdk="gradio") == f"{hub.address}/spaces/me/app"
    assert hub.made[0]["type"] == "space" and hub.made[0]["sdk"] == "gradio"
    assert hub.repositories == {"me/app": {"app.py": b"print('app')\n"}}


def test_what_the_hub_refuses_is_reported(hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "You may not write to you/cats (403)" in refusal(push, folder, "you/cats")
    assert "The Hub did not take me/cats/dogs (Repo id must be" in refusal(push, folder, "me/cats/dogs")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "The Hub does not know your token (401)" in refusal(push, folder, "me/cats")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(folder / "none"))
    assert "You are not logged in to the Hub; run 'hf auth login'" in refusal(push, folder, "me/cats")
    assert hub.repositories == {}
    monkeypatch.setenv("HF_TOKEN", hub.token)
    hub.wrong_card = '"license" must be one of the known'
    message = 'The Hub did not take me/cats (Invalid metadata in README.md: "license" must be one of the known);'
    assert message in refusal(push, folder, "me/cats")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1")
    assert "The Hub did not take me/cats (" in refusal(push, folder, "me/cats")


def test_only_a_whole_model_goes_up(hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").write_bytes(b"no weights")
    assert "model.safetensors is damaged" in refusal(push, folder, "me/cats")
    assert main([str(folder / "nowhere"), "me/cats"]) == 2
    assert capsys.readouterr().err.startswith("python -m vqa.checkpoint.hub: There is no folder")
    assert hub.repositories == {}


ROUND_TRIP = """
import json, sys
photo, question = sys.argv[1:]
from transformers import AutoModelForVisualQuestionAnswering, AutoProcessor
from vqa import VQA, VQAModel  # after it, no trust is needed

answer = VQA.load("me/cats", "cpu", "float32").ask(photo, question)
model = AutoModelForVisualQuestionAnswering.from_pretrained("me/cats")
assert type(model) is VQAModel
model.push_to_hub("me/dogs", tags=["dogs"])
AutoProcessor.from_pretrained("me/cats").push_to_hub("me/dogs")
print(json.dumps([answer.text, answer.confidence, answer.model]))
"""


def test_it_comes_down_the_same_and_transformers_pushes_it_whole(
    hub: FakeHub, folder: Path, photo: Path, tmp_path: Path
) -> None:
    push(folder, "me/cats")
    expected = VQA.load(folder, "cpu", "float32").ask(photo, QUESTION)

    settings = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", ROUND_TRIP, str(photo), QUESTION]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == [expected.text, pytest.approx(expected.confidence, abs=1e-6), "me/cats"]

    ours, theirs = hub.repositories["me/cats"], hub.repositories["me/dogs"]
    assert {"config.json", "model.safetensors", "README.md", "tokenizer.json", "processor_config.json"} <= theirs.keys()
    assert theirs.keys() >= CODE and all(theirs[name] == ours[name] for name in theirs if name.endswith(".py"))
    assert json.loads(theirs["config.json"])["auto_map"] == json.loads(ours["config.json"])["auto_map"]
    assert ModelCard(theirs["README.md"].decode()).data.tags[-1] == "dogs"  # type: ignore[attr-defined]
    assert [asked for asked in hub.unknown if "me/" in asked] == []
