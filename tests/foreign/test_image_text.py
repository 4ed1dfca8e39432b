"""Models for image-text-to-text answer with our methods as they do with their own."""

import copy
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, LlamaConfig, LlamaForCausalLM

from tests.data.refusal import refusal
from tests.foreign import tiny
from tests.foreign.conftest import asking
from vqa import cli, covering
from vqa.foreign import adapter_for, calibration, decoding
from vqa.foreign.layout import on_photo, runs, uncropped
from vqa.foreign.model import ForeignVQA
from vqa.foreign.prompts import prompt
from vqa.predict import VQA

QUESTIONS = ["what is on the table?", "is it raining?", "how many cat?", "is this red?"]
GRIDS = {"llava": (4, 6), "qwen": (3, 4), "gemma3": (2, 2)}  # of the others 4 x 4


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: tiny.build(name, tmp_path_factory.mktemp("tiny") / name) for name in tiny.FAMILIES}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LONGEST", 4)  # random weights rarely end an answer


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def vqa(request: pytest.FixtureRequest, folders: dict[str, Path]) -> ForeignVQA:
    return VQA.load(folders[request.param], "cpu", "float32")


def test_its_answer_is_that_of_its_own_generate(vqa, photo):
    """Greedy, by the processor and the model as in the documentation of transformers; its attention is on the photo."""
    net, processor = vqa.adapter.net, AutoProcessor.from_pretrained(vqa.folder)
    text = prompt(processor, vqa.kind, QUESTIONS[0])
    inputs = processor(text=[text], images=[Image.open(photo)], return_tensors="pt")
    inputs.pop("labels", None)
    settings = {"do_sample": False, "begin_suppress_tokens": vqa.adapter.decoder.unwanted}
    settings |= {"return_dict_in_generate": True, "output_logits": True}
    with torch.inference_mode():
        output = net.generate(**inputs, **settings, max_new_tokens=4 + (vqa.kind == "florence2"))
    start = 2 if vqa.kind == "florence2" else inputs["input_ids"].shape[1]
    tokens = output.sequences[0, start:]
    answer = vqa.ask(photo, QUESTIONS[0])
    assert answer.text == " ".join(processor.tokenizer.decode(tokens, skip_special_tokens=True).split()).rstrip(".")
    logits = output.logits[-len(tokens) :]
    each = [float(step[0].log_softmax(-1)[token]) for step, token in zip(logits, tokens, strict=True)]
    assert answer.confidence == pytest.approx(math.exp(np.mean(each)), rel=1e-3)
    scores = [score for _, score in answer.top]
    assert scores == sorted(scores, reverse=True) and len(vqa.ask(photo, QUESTIONS[0], top=1).top) == 1
    assert answer.attention.shape == (1, *GRIDS.get(Path(vqa.folder).name, (4, 4)))
    assert answer.attention.sum() == pytest.approx(1) and np.ptp(answer.attention) > 1e-3


def test_keys_and_values_of_a_photo_serve_the_next_question(vqa, photo):
    """Reuse equals no reuse; where the photo's tokens attend to the question, it is found out and not done."""
    first = vqa.ask(photo, QUESTIONS[1])
    assert vqa.adapter.reuse is (Path(vqa.folder).name not in ("paligemma", "florence2"))
    anew = copy.copy(vqa.adapter)
    anew.reuse = False
    with torch.inference_mode():
        (reply,) = anew.ask(anew.encode(Image.open(photo)), [QUESTIONS[1]], 5)
    assert reply.ranked == [(text, pytest.approx(score, rel=1e-3)) for text, score in first.top]
    np.testing.assert_allclose(first.attention[0], reply.attention, atol=1e-4)


def test_the_vision_encoder_runs_once_for_a_photo(vqa, photo, monkeypatch):
    other = np.asarray(Image.open(photo))[::-1].copy()
    base, count = vqa.adapter.net.base_model, []
    tower = getattr(base, "visual", None) or getattr(base, "vision_tower", None) or base.vision_model
    hook = tower.register_forward_hook(lambda *_: count.append(1))
    vqa.grey()
    count.clear()
    vqa.ask_many(other, QUESTIONS)
    vqa.ask(other, QUESTIONS[0])
    hook.remove()
    assert len(count) == 1


def test_several_questions_are_answered_as_one(vqa, photo):
    for question, answer in list(zip(QUESTIONS, vqa.ask_many(photo, QUESTIONS), strict=True))[::2]:
        alone = vqa.ask(photo, question)
        assert alone.top == [(name, pytest.approx(score, rel=1e-3)) for name, score in answer.top]
        assert alone.blind.answer == answer.blind.answer
        np.testing.assert_allclose(alone.attention, answer.attention, atol=1e-5)


def test_given_answers_are_scored_as_written_ones(vqa, photo):
    answer = vqa.ask(photo, QUESTIONS[0])
    if len(vqa.adapter._spelled[answer.text]) < 4:  # an answer that was cut short has no end to be scored
        assert vqa.scores(photo, QUESTIONS[0], [answer.text]) == pytest.approx([answer.confidence], rel=1e-3)
    scores = vqa.scores(photo, QUESTIONS[0], ["red", "two dog"])
    assert scores[1] == pytest.approx(vqa.scores(photo, QUESTIONS[0], ["two dog"])[0], rel=1e-3)
    assert all(0 <= score <= 1 for score in scores)


def test_the_answer_without_the_photo(vqa, photo):
    answer, grey = vqa.ask(photo, QUESTIONS[0]), np.full((448, 448, 3), 128, np.uint8)
    assert answer.blind.answer == vqa.ask(grey, QUESTIONS[0]).text and 0 <= answer.photo_mattered <= 1
    assert vqa.ask(grey, QUESTIONS[0]).photo_mattered == pytest.approx(0, abs=1e-3)
    (alone,) = vqa.ask_without([QUESTIONS[0]])
    assert (alone is None) == (vqa.adapter.processor.chat_template is None)


def test_a_model_without_attention_gets_a_map_by_occlusion(folders, photo, monkeypatch):
    vqa = VQA.load(folders["llava"], "cpu", "float32")
    monkeypatch.setattr(covering, "COARSE", 2)
    monkeypatch.setattr(covering, "SPLIT", 1)
    monkeypatch.setattr(vqa.adapter, "maps", lambda encoded, attention, count: [None] * count)
    answer = vqa.ask(photo, QUESTIONS[0])
    falls = vqa.occlusion(Image.open(photo), QUESTIONS[0], answer.text).clip(min=0)
    np.testing.assert_allclose(answer.attention[0], falls / falls.sum(), rtol=1e-3, atol=1e-5)


def test_what_cannot_be_asked_is_one_sentence(folders, tmp_path):
    text = tmp_path / "text"
    LlamaForCausalLM(LlamaConfig(**tiny.TEXT)).save_pretrained(text)
    assert "is of type llama, which transformers cannot ask about a picture" in refusal(VQA.load, text, "cpu")
    bare = shutil.copytree(folders["llava"], tmp_path / "bare")
    (bare / "processor_config.json").unlink()
    refusal(VQA.load, bare, "cpu")
    assert "The precision 'int3' is not one of" in refusal(VQA.load, folders["llava"], "cpu", "int3")


def test_code_of_a_checkpoint_runs_only_when_trusted():
    config = {"model_type": "theirs", "auto_map": {"AutoModelForImageTextToText": "theirs.Model"}}
    assert "brings its own code; run it with --trust-remote-code" in refusal(adapter_for, "theirs", config)
    assert adapter_for("theirs", config, trust_remote_code=True) == "vqa.foreign.image_text"
    assert adapter_for("ours", {"model_type": "glimpse"}) is None


def test_half_precision(folders, photo):
    vqa = VQA.load(folders["llava"], "cpu", "bfloat16")
    assert vqa.dtype is torch.bfloat16 and vqa.ask(photo, QUESTIONS[0]).attention.sum() == pytest.approx(1, abs=1e-3)


def test_tiles_lie_row_by_row():
    assert runs([3, 4, 5, 9, 10]) == [3, 2]
    tiles = np.zeros((2, 2, 2, 2))
    tiles[0, 1, 1, 0] = 1  # upper right tile, lower left token
    found = on_photo(np.append(tiles.ravel(), [0, 0, 0, 0]), [4] * 5, (90, 60), None, None)
    assert found.shape == (4, 4) and found[1, 2] == 1
    longer = on_photo(np.arange(1.0, 14), [13], (10, 10), None, 3)  # a whole photo of 9 tokens, and parts of it
    np.testing.assert_allclose(longer * 45, np.arange(1.0, 10).reshape(3, 3))
    assert on_photo(np.ones(7), [7], (10, 10), None, None) is None
    assert on_photo(np.ones(6), [6], (30, 20), [4, 6], None).shape == (2, 3)
    wide = uncropped(np.full((4, 4), 1 / 16), (60, 30), SimpleNamespace(do_center_crop=True))
    assert wide.shape == (4, 8) and wide[:, 2:6].sum() == 1


def test_it_writes_captions(folders, photo, capsys):
    words = ["describe", str(photo), "--model", str(folders["qwen"]), "--device", "cpu", "--json"]
    assert cli.main(words) == 0
    described = json.loads(capsys.readouterr().out)
    assert [word["word"] for word in described["words"]] == described["text"].split()
    assert all(np.sum(word["attention"]) == pytest.approx(1) for word in described["words"])
    drawn = []
    for seed in ("1", "1", "2"):
        assert cli.main([*words, "--temperature", "2", "--seed", seed]) == 0
        drawn.append(json.loads(capsys.readouterr().out)["text"])
    assert drawn[0] == drawn[1] != drawn[2]
    assert cli.main([*words, "--temperature", "nan"]) == 2
    assert "The temperature is nan" in capsys.readouterr().err
    assert cli.main([*words, "--temperature", "2", "--seed", str(1 << 63)]) == 2
    assert "give a whole number from 0 to 2^63 - 1" in capsys.readouterr().err


def test_what_does_not_fit_the_model_is_one_sentence(folders, photo, tmp_path, capsys):
    for name in ("template", "weights"):
        shutil.copytree(folders["llava"], tmp_path / name)
    (tmp_path / "template" / "chat_template.jinja").write_text("{{ a.b }}")
    tensors = load_file(tmp_path / "weights" / "model.safetensors")
    tensors = {name: tensor * math.nan for name, tensor in tensors.items()}
    save_file(tensors, tmp_path / "weights" / "model.safetensors", {"format": "pt"})
    ask, describe = ["ask", str(photo), QUESTIONS[0]], ["describe", str(photo)]
    lacking = "cannot answer this ('a' is undefined)"
    cases = (ask, "template", lacking), (describe, "template", lacking), (ask, "weights", "computes undefined scores")
    for command, name, message in cases:
        assert cli.main([*command, "--model", str(tmp_path / name), "--device", "cpu"]) == 2
        assert message in capsys.readouterr().err


def test_a_photo_that_it_cannot_take_is_left_out(folders, photo, tmp_path):
    Image.new("RGB", (1000, 2)).save(tmp_path / "line.png")
    shutil.copy(photo, tmp_path / "photo.png")
    rows = [(f"{name}.png", question, "x") for name in ("line", "photo") for question in QUESTIONS[:2]]
    words = [*asking(tmp_path / "data.jsonl", *rows), "--images", str(tmp_path), "--swap-photos"]
    words += ["--model", str(folders["qwen"]), "--device", "cpu", "--output", str(tmp_path / "out")]
    assert cli.main(words) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["n"] == 2 and results["skipped"] == {"question": 2}


def test_its_confidence_is_calibrated_and_remembered(folders, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, model = tmp_path / "data.jsonl", folders["llava"]
    before = VQA.load(model, "cpu", "float32").ask(photo, QUESTIONS[0])
    files = sorted(path.name for path in model.iterdir())
    words = [*asking(data, *((photo.name, question, "never") for question in QUESTIONS)), "--calibrate", str(data)]
    assert cli.main([*words, "--images", str(photo.parent), "--model", str(model), "--dtype", "float32"]) == 0
    after = VQA.load(model, "cpu", "float32").ask(photo, QUESTIONS[0])
    assert after.confidence < before.confidence and after.text == before.text  # it is always wrong
    assert after.top[1].score / after.confidence == pytest.approx(before.top[1].score / before.confidence)
    assert sorted(path.name for path in model.iterdir()) == files and "It is calibrated" in after.note


@pytest.mark.parametrize("content", [{}, {"temperatures": 5}, {"temperatures": {"other": "x"}}])
def test_a_damaged_calibration_is_refused(content, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = calibration.write("theirs/model", {"other": 2.0}, 9)
    assert calibration.read("theirs/model") == {"other": 2.0}
    path.write_text(json.dumps(content))
    assert "delete it and calibrate the model again" in refusal(calibration.read, "theirs/model")


def test_temperatures_are_those_of_the_greatest_likelihood():
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.02, 0.98, 20_000)
    right = np.array([float(generator.random() < calibration.calibrated(p, 2.0)) for p in confidence])
    kinds = ["number" if i % 2 else "other" for i in range(20_000)]
    fitted = calibration.fit(confidence, right, kinds)
    assert [fitted["number"], fitted["yes/no"]] == pytest.approx([2, 2], rel=0.06)
    assert calibration.calibrated(0.8, 1.0) == pytest.approx(0.8)
