"""The code that transformers copies with a checkpoint answers the same where this package is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers.dynamic_module_utils import get_imports

from tests.fake_hub import FakeHub
from vqa.checkpoint.card import model_card
from vqa.checkpoint.hub import push
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.refresh import main, refresh
from vqa.checkpoint.save import save_checkpoint
from vqa.model.configuration import AUTO_MAP, PIPELINES
from vqa.predict import VQA

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "assets" / "model"
MODEL = ROOT / "vqa" / "model"
QUESTIONS = ["what is on the table?", "how many", "what color is the cat?"]

# Runs where neither the package nor anything of this folder can be imported.
ALONE = """
import sys
sys.modules.update(vqa=None, ui=None, train=None)
import json, transformers
from safetensors.torch import save_file
from transformers import pipeline

folder, photo, questions, out = sys.argv[1], sys.argv[2], sys.argv[3].split("|"), sys.argv[4]
trust = {"trust_remote_code": True}
names = "Config ModelForVisualQuestionAnswering Processor ImageProcessor Tokenizer Model"
kinds = [getattr(transformers, f"Auto{name}").from_pretrained(folder, **trust) for name in names.split()]
_, model, processor, *_ = kinds
inputs = processor(images=[photo] * len(questions), text=questions, return_tensors="pt")
output = model(**inputs)
save_file({"logits": output.logits.detach(), "attention": output.attention.detach()}, out + "/output.safetensors")
first = pipeline(model=folder, **trust)(image=photo, question=questions[0])
model.save_pretrained(out + "/again")
processor.save_pretrained(out + "/again")
again = pipeline("visual-question-answering", model=out + "/again", **trust)(image=photo, question=questions[0])
downloaded = pipeline(model="me/cats", **trust)(image=photo, question=questions[0])
print(json.dumps({"names": [type(kind).__name__ for kind in kinds], "homes": [type(kind).__module__ for kind in kinds],
                  "dtype": str(model.dtype), "answers": [first, again, downloaded]}))
"""


def test_it_answers_the_same_where_the_package_is_not(
    hub: FakeHub, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("HOME", str(tmp_path / "hub")), ("ENDPOINT", hub.address), ("HUB_DISABLE_XET", "1")):
        monkeypatch.setenv(f"HF_{name}", value)
    save_checkpoint(tmp_path / "saved", *load_checkpoint(BUNDLED))
    push(tmp_path / "saved", "me/cats")
    arguments = [str(tmp_path / "saved"), str(photo), "|".join(QUESTIONS), str(tmp_path)]
    done = subprocess.run([sys.executable, "-I", "-c", ALONE, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    kinds = "VQAConfig VQAModel VQAProcessor VQAImageProcessor TokenizersBackend VQAModel"
    assert said["names"] == kinds.split() and said["dtype"] == "torch.float32"
    remote = [home.startswith("transformers_modules.") for home in said["homes"]]
    assert remote == [True, True, True, True, False, True]

    net, processor = load_checkpoint(BUNDLED)
    with torch.inference_mode():
        expected = net(**processor(images=[photo] * len(QUESTIONS), text=QUESTIONS))
    found = load_file(tmp_path / "output.safetensors")
    assert torch.allclose(found["logits"], expected.logits, atol=1e-5)
    assert torch.allclose(found["attention"], expected.attention, atol=1e-6)

    answer = VQA.load(BUNDLED, "cpu", "float32").ask(photo, QUESTIONS[0])
    for answers in said["answers"]:  # of the folder, of what that process saved, and from the Hub
        assert [one["answer"] for one in answers] == [score.answer for score in answer.top]
        assert [one["score"] for one in answers] == pytest.approx([score.score for score in answer.top], abs=1e-5)


def test_the_bundled_model_s_files_are_of_this_version(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "new", *load_checkpoint(BUNDLED))
    for name in ("config.json", "processor_config.json", "tokenizer_config.json"):
        new, old = (json.loads((folder / name).read_text(encoding="utf-8")) for folder in (tmp_path / "new", BUNDLED))
        for content in (new, old):
            content.pop("transformers_version", None)
        assert new == old, "run: python -m vqa.checkpoint.refresh assets/model"
    assert (tmp_path / "new/model.safetensors").read_bytes() == (BUNDLED / "model.safetensors").read_bytes()


def test_every_way_of_saving_takes_the_code_along(tiny_checkpoint: Path, tmp_path: Path) -> None:
    net, processor = load_checkpoint(tiny_checkpoint)
    net.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "processor")
    code = {path.name: path.read_text() for path in MODEL.glob("*.py") if path.name != "__init__.py"}
    for folder in (tiny_checkpoint, tmp_path / "model"):
        copied = {path.name: path.read_text() for path in folder.glob("*.py")}
        assert copied.items() <= code.items() and {"configuration.py", "model.py", "pipeline.py"} <= copied.keys()
        config = json.loads((folder / "config.json").read_text())
        assert config["auto_map"] == AUTO_MAP and config["custom_pipelines"] == PIPELINES
        assert config["architectures"] == ["VQAModel"]
    assert (tmp_path / "processor" / "processing.py").read_text() == code["processing.py"]


def test_it_needs_little() -> None:
    allowed = {"PIL", "numpy", "timm", "tokenizers", "torch", "torchvision", "transformers"} | sys.stdlib_module_names
    for path in MODEL.glob("*.py"):
        assert set(get_imports(path)) <= allowed, path


def test_refreshing_writes_what_is_old_and_nothing_else(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "old"
    save_checkpoint(folder, *load_checkpoint(tiny_checkpoint), {"training.json": {"seed": 1}})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    config = json.loads(before["config.json"])
    del config["auto_map"]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.py").unlink()
    assert refresh(folder) == ["README.md", "config.json", "model.py"]
    assert (folder / "README.md").read_text() == model_card(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "README.md"} == before

    (folder / "README.md").write_text("# My own words\n")
    assert refresh(folder) == []
    assert main([str(folder), "--card"]) == 0 and "README.md rewritten" in capsys.readouterr().out
    assert (folder / "README.md").read_text() == model_card(folder)
    assert main([str(tmp_path / "nowhere")]) == 2 and "There is no model folder" in capsys.readouterr().err
