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
from ui.learn import about
from ui.models import Models
from vqa import cli
from vqa.covering import cover
from vqa.evaluation.options import Options
from vqa.evidence import evidence, occlusion, what_if
from vqa.foreign.model import ForeignVQA
from vqa.model.errors import InputError
from vqa.predict import VQA, ours

QUESTION = "what is on the table?"
SCHEMAS = Path(package.__file__).parent / "schemas"
KINDS = pytest.mark.parametrize("kind", ["vilt", "blip"])


@pytest.fixture
def folder(request: pytest.FixtureRequest, kind: str) -> Path:
    return request.getfixturevalue(kind)


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / name).read_text(encoding="utf-8")))


@KINDS
def test_the_command_line_asks_it(
    folder: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ask", str(photo), QUESTION, "--model", str(folder)]
    assert cli.main([*words, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    schema("answer.json").validate(content)
    assert content["sure"] == (content["confidence"] >= 1 / 3) and not content["guess"]
    assert content["photo_mattered"] is None and content["glimpse"] is None
    assert content["blind"] is None and content["words"] == [] and "not calibrated" in content["note"]
    assert cli.main([*words, "--overlay", str(tmp_path / "where.png")]) == 0
    out = capsys.readouterr().out
    assert content["answer"] in out and "looked at" in out and "without looking" not in out
    assert (tmp_path / "where.png").is_file()


@KINDS
def test_a_photo_is_encoded_once_and_answers_stay(folder: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vqa = VQA.load(folder, "cpu")
    assert isinstance(vqa, ForeignVQA)
    first = vqa.ask_many(photo, [QUESTION, "how many?"])
    monkeypatch.setattr(vqa.adapter, "encode", lambda photo: pytest.fail("the photo was encoded again"))
    again = [vqa.ask(photo.read_bytes(), question) for question in (QUESTION, "how many?")]
    assert [answer.top for answer in first] == [answer.top for answer in again]
    assert first[0].top != first[1].top
    assert vqa.ask_many(photo, []) == []


@KINDS
def test_it_is_evaluated_and_compared(
    folder: Path, photo: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "photos"
    images.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(photo, images / name)
    answer = VQA.load(folder, "cpu").ask(photo, QUESTION).text
    said = any(map(str.isalnum, answer))  # random weights may write nothing
    rows = [
        ("a.png", QUESTION, answer if said else "nothing"),
        ("b.png", "how many?", "nothing of the kind"),
        ("b.png", "", "x"),
    ]
    data = tmp_path / "data.jsonl"
    lines = [{"image": image, "question": question or " ?" * 200, "answer": a} for image, question, a in rows]
    lines.append({"image": "missing.png", "question": QUESTION, "answer": "x"})
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, model in (("theirs", folder), ("ours", tiny_checkpoint)):
        words = ["evaluate", "--data", str(data), "--images", str(images), "--model", str(model), "--swap-photos"]
        assert cli.main([*words, "--output", str(tmp_path / name)]) == 0
    results = json.loads((tmp_path / "theirs/results.json").read_text())
    schema("results.json").validate(results)
    assert results["n"] == 2 and results["metrics"]["exact"] == (50.0 if said else 0.0)
    assert results["skipped"] == {"photo": 1, "question": 1}
    assert results["baselines"]["question_only"] is None
    assert results["grounding"]["photo_swap"]["drop"] == 0.0  # both photos are the same
    assert (tmp_path / "theirs/report.html").is_file()
    assert cli.main(["compare", str(tmp_path / "ours"), str(tmp_path / "theirs")]) == 0
    assert "theirs" in capsys.readouterr().out


@KINDS
def test_unsupported_requests_are_one_sentence(folder: Path, photo: Path, tmp_path: Path) -> None:
    vqa = VQA.load(folder, "cpu")
    for attempt in (
        lambda: evidence(vqa, photo, QUESTION, "red"),
        lambda: ours(vqa),
    ):
        with pytest.raises(InputError, match=r"is a (vilt|blip) model and not a Glimpse model"):
            attempt()
    with pytest.raises(InputError, match="The question is empty"):
        vqa.ask(photo, " ")
    with pytest.raises(InputError, match="ask for at least 1"):
        vqa.ask(photo, QUESTION, top=0)


@KINDS
def test_probes_ask_it_again(folder: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, box = tmp_path / "data.jsonl", tmp_path / "boxes.jsonl"
    question = "is this a dog?"
    data.write_text(json.dumps({"image": photo.name, "question": question, "answer": "red"}))
    box.write_text(json.dumps({"image": photo.name, "objects": [["dog", 0, 0, 0.5, 0.5]]}))
    words = ["evaluate", "--data", str(data), "--images", str(photo.parent), "--model", str(folder)]
    assert (
        cli.main([*words, "--deletion", "5", "--robustness", "5", "--boxes", str(box), "--output", str(tmp_path)]) == 0
    )
    results = json.loads((tmp_path / "results.json").read_text())
    schema("results.json").validate(results)
    assert (
        results["grounding"]["deletion"]["n"] == results["robustness"]["n"] == results["grounding"]["boxes"]["n"] == 1
    )
    assert cli.main([*words, "--features", "store"]) == 2
    assert "is not a Glimpse model" in capsys.readouterr().err


@KINDS
def test_a_part_is_covered(folder: Path, photo: Path) -> None:
    vqa = VQA.load(folder, "cpu")
    changed = what_if(vqa, photo, QUESTION, [[1, 0]])
    covered = cover(Image.open(photo), np.array([[1, 0]], bool))
    assert changed.before.top == vqa.ask(photo, QUESTION).top and changed.after.top == vqa.ask(covered, QUESTION).top
    assert changed.changes == sorted(changed.changes, key=lambda row: -abs(row[2] - row[1]))
    assert occlusion(vqa, photo, QUESTION).shape == (8, 8)
    assert vqa.scores(photo, QUESTION, [vqa.ask(photo, QUESTION).text]) == pytest.approx(
        [vqa.ask(photo, QUESTION).confidence], rel=1e-4
    )


def test_options_that_change_nothing_are_refused(vilt: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, flags in (
        (["ask", str(photo), QUESTION, "--runtime", "onnx"], "--runtime; leave it out"),
        (["describe", str(photo), "--beam", "2", "--encoder", "bundled"], "--beam and no --encoder; leave them out"),
    ):
        assert cli.main([*words, "--model", str(vilt)]) == 2
        assert capsys.readouterr().err == f"vqa: The vilt model {vilt} takes no {flags}.\n"
    with pytest.raises(InputError, match="takes no --runtime"):
        Models(str(vilt), "cpu", runtime="onnx").load()
    with pytest.raises(InputError, match=r"on a server .* takes no --device and no --runtime; leave them out"):
        Options("questions.csv", api="http://127.0.0.1:1", api_model="theirs", device="cpu", runtime="torch")


def test_the_app_compares_and_describes_it(vilt: Path, photo: Path, tiny_checkpoint: Path) -> None:
    models = Models(str(tiny_checkpoint), "cpu", [str(vilt)])
    models.load()
    theirs = models.get(str(vilt))
    assert theirs.ask(photo, QUESTION).attention.shape == (1, 4, 6)
    page = about.text(theirs)
    assert "of type vilt" in page and "LSTM" not in page


def test_folders_that_are_not_complete_are_reported(vilt: Path, blip: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return shutil.copytree(vilt, tmp_path / name)

    (copy("weights") / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no model\.safetensors, and no other weights are read"):
        VQA.load(tmp_path / "weights")
    tensors = load_file(vilt / "model.safetensors")
    del tensors["classifier.3.weight"]
    save_file(tensors, copy("tensor") / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 tensors, such as classifier\.3\.weight"):
        VQA.load(tmp_path / "tensor")
    (copy("processor") / "processor_config.json").write_text("{")
    (copy("damaged") / "model.safetensors").write_bytes(b"x" * 50)
    for name in ("processor", "damaged"):
        with pytest.raises(InputError, match="cannot be read") as caught:
            VQA.load(tmp_path / name)
        assert "\n" not in str(caught.value)
