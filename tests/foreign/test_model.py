"""What foreign models can do here, and the errors for what they cannot."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from safetensors.torch import load_file, save_file

import vqa as package
from tests.data.refusal import refusal
from tests.foreign.conftest import asking
from ui.learn import about
from ui.models import Models
from vqa import cli
from vqa.covering import cover
from vqa.evaluation.options import Options
from vqa.evidence import evidence, occlusion, what_if
from vqa.foreign.model import ForeignVQA
from vqa.predict import VQA, ours

QUESTION = "what is on the table?"
SCHEMAS = Path(package.__file__).parent / "schemas"


@pytest.fixture(params=["vilt", "blip"])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / name).read_text(encoding="utf-8")))


def test_the_command_line_asks_it(folder, photo, tmp_path, capsys):
    words = ["ask", str(photo), QUESTION, "--model", str(folder)]
    assert cli.main([*words, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    schema("answer.json").validate(content)
    unknown: dict[str, object] = {"photo_mattered": None, "glimpse": None, "blind": None, "words": [], "guess": False}
    assert {name: content[name] for name in unknown} == unknown
    assert content["sure"] == (content["confidence"] >= 1 / 3) and "not calibrated" in content["note"]
    assert cli.main([*words, "--overlay", str(tmp_path / "where.png")]) == 0
    out = capsys.readouterr().out
    assert content["answer"] in out and "looked at" in out and "without looking" not in out
    assert (tmp_path / "where.png").is_file()


def test_a_photo_is_encoded_once_and_answers_stay(folder, photo, monkeypatch):
    vqa = VQA.load(folder, "cpu")
    assert isinstance(vqa, ForeignVQA)
    first = vqa.ask_many(photo, [QUESTION, "how many?"])
    monkeypatch.setattr(vqa.adapter, "encode", lambda photo: pytest.fail("the photo was encoded again"))
    again = [vqa.ask(photo.read_bytes(), question) for question in (QUESTION, "how many?")]
    assert [answer.top for answer in first] == [answer.top for answer in again]
    assert first[0].top != first[1].top
    assert vqa.ask_many(photo, []) == []


def test_it_is_evaluated_and_compared(folder, photo, tiny_checkpoint, tmp_path, capsys):
    images = tmp_path / "photos"
    images.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(photo, images / name)
    answer = VQA.load(folder, "cpu").ask(photo, QUESTION).text
    said = any(map(str.isalnum, answer))  # random weights may write nothing
    words = asking(
        tmp_path / "data.jsonl",
        ("a.png", QUESTION, answer if said else "nothing"),
        ("b.png", "how many?", "nothing of the kind"),
        ("b.png", " ?" * 200, "x"),
        ("missing.png", QUESTION, "x"),
    )
    for name, model in (("theirs", folder), ("ours", tiny_checkpoint)):
        more = ["--images", str(images), "--model", str(model), "--swap-photos", "--output", str(tmp_path / name)]
        assert cli.main([*words, *more]) == 0
    results = json.loads((tmp_path / "theirs/results.json").read_text())
    schema("results.json").validate(results)
    assert results["n"] == 2 and results["metrics"]["exact"] == (50.0 if said else 0.0)
    assert results["skipped"] == {"photo": 1, "question": 1} and results["baselines"]["question_only"] is None
    assert results["grounding"]["photo_swap"]["drop"] == 0.0  # both photos are the same
    assert (tmp_path / "theirs/report.html").is_file()
    assert cli.main(["compare", str(tmp_path / "ours"), str(tmp_path / "theirs")]) == 0
    assert "theirs" in capsys.readouterr().out


def test_unsupported_requests_are_one_sentence(folder, photo, tmp_path):
    vqa = VQA.load(folder, "cpu")
    for message in (refusal(evidence, vqa, photo, QUESTION, "red"), refusal(ours, vqa)):
        assert f"is a {vqa.kind} model and not a Glimpse model" in message
    assert "The question is empty" in refusal(vqa.ask, photo, " ")
    assert "ask for at least 1" in refusal(vqa.ask, photo, QUESTION, top=0)


def test_probes_ask_it_again(folder, photo, tmp_path, capsys):
    box = tmp_path / "boxes.jsonl"
    box.write_text(json.dumps({"image": photo.name, "objects": [["dog", 0, 0, 0.5, 0.5]]}))
    words = asking(tmp_path / "data.jsonl", (photo.name, "is this a dog?", "red"))
    words += ["--images", str(photo.parent), "--model", str(folder)]
    probes = ["--deletion", "5", "--robustness", "5", "--boxes", str(box), "--output", str(tmp_path)]
    assert cli.main([*words, *probes]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    schema("results.json").validate(results)
    grounding = results["grounding"]
    assert grounding["deletion"]["n"] == results["robustness"]["n"] == grounding["boxes"]["n"] == 1
    assert cli.main([*words, "--features", "store"]) == 2
    assert "is not a Glimpse model" in capsys.readouterr().err


def test_a_part_is_covered(folder, photo):
    vqa = VQA.load(folder, "cpu")
    changed, answer = what_if(vqa, photo, QUESTION, [[1, 0]]), vqa.ask(photo, QUESTION)
    covered = cover(Image.open(photo), np.array([[1, 0]], bool))
    assert changed.before.top == answer.top and changed.after.top == vqa.ask(covered, QUESTION).top
    assert changed.changes == sorted(changed.changes, key=lambda row: -abs(row[2] - row[1]))
    assert occlusion(vqa, photo, QUESTION).shape == (8, 8)
    assert vqa.scores(photo, QUESTION, [answer.text]) == pytest.approx([answer.confidence], rel=1e-4)


def test_options_that_change_nothing_are_refused(vilt, photo, capsys):
    for words, flags in (
        (["ask", str(photo), QUESTION, "--runtime", "onnx"], "--runtime; leave it out"),
        (["describe", str(photo), "--beam", "2", "--encoder", "bundled"], "--beam and no --encoder; leave them out"),
    ):
        assert cli.main([*words, "--model", str(vilt)]) == 2
        assert capsys.readouterr().err == f"vqa: The vilt model {vilt} takes no {flags}.\n"
    assert "takes no --runtime" in refusal(Models(str(vilt), "cpu", runtime="onnx").load)
    served = {"api": "http://127.0.0.1:1", "api_model": "theirs"}
    message = refusal(Options, "questions.csv", **served, device="cpu", runtime="torch")
    assert "on a server" in message and "takes no --device and no --runtime; leave them out" in message


def test_the_app_compares_and_describes_it(vilt, photo, tiny_checkpoint):
    models = Models(str(tiny_checkpoint), "cpu", [str(vilt)])
    models.load()
    theirs = models.get(str(vilt))
    assert theirs.ask(photo, QUESTION).attention.shape == (1, 4, 6)
    page = about.text(theirs)
    assert "of type vilt" in page and "LSTM" not in page


def test_folders_that_are_not_complete_are_reported(vilt, tmp_path):
    for name in ("weights", "tensor", "processor", "damaged"):
        shutil.copytree(vilt, tmp_path / name)
    (tmp_path / "weights/model.safetensors").unlink()
    tensors = load_file(vilt / "model.safetensors")
    del tensors["classifier.3.weight"]
    save_file(tensors, tmp_path / "tensor/model.safetensors", {"format": "pt"})
    (tmp_path / "processor/processor_config.json").write_text("{")
    (tmp_path / "damaged/model.safetensors").write_bytes(b"x" * 50)
    assert "has no model.safetensors, and no other weights are read" in refusal(VQA.load, tmp_path / "weights")
    assert "lacks 1 tensors, such as classifier.3.weight" in refusal(VQA.load, tmp_path / "tensor")
    for name in ("processor", "damaged"):
        assert "cannot be read" in refusal(VQA.load, tmp_path / name)
