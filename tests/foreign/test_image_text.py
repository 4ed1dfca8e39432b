"""Models for image-text-to-text answer with our methods as they do with their own."""

import copy
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, LlamaConfig, LlamaForCausalLM

from tests.foreign import tiny
from vqa import cli, covering
from vqa.foreign import adapter_for, calibration, decoding
from vqa.foreign.model import ForeignVQA
from vqa.foreign.prompts import prompt
from vqa.model.errors import InputError
from vqa.predict import VQA

QUESTIONS = ["what is on the table?", "is it raining?", "how many cat?", "is this red?"]
REUSED = {"llava": True, "qwen": True, "gemma3": True, "idefics3": True, "paligemma": False, "florence2": False}
GRIDS = {
    "llava": (4, 6),
    "qwen": (3, 4),
    "gemma3": (2, 2),
    "idefics3": (4, 4),
    "paligemma": (4, 4),
    "florence2": (4, 4),
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: tiny.build(name, tmp_path_factory.mktemp("tiny") / name) for name in tiny.FAMILIES}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LONGEST", 4)  # random weights rarely end an answer


@pytest.fixture(params=tiny.FAMILIES)
def vqa(request: pytest.FixtureRequest, folders: dict[str, Path], photo: Path) -> ForeignVQA:
    """Each family, after a photo: so it is known whether keys and values are reused."""
    name = request.param
    if name not in LOADED:
        LOADED[name] = VQA.load(folders[name], "cpu", "float32")
    return LOADED[name]


LOADED: dict[str, ForeignVQA] = {}


def test_its_answer_is_that_of_its_own_generate(vqa: ForeignVQA, photo: Path) -> None:
    """Greedy, by the processor and the model as in the documentation of transformers."""
    net, processor = vqa.adapter.net, AutoProcessor.from_pretrained(vqa.folder)
    text = prompt(processor, vqa.kind, QUESTIONS[0])
    inputs = processor(text=[text], images=[Image.open(photo)], return_tensors="pt")
    inputs.pop("labels", None)
    with torch.inference_mode():
        output = net.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=4 + (vqa.kind == "florence2"),
            begin_suppress_tokens=vqa.adapter.decoder.unwanted,
            return_dict_in_generate=True,
            output_logits=True,
        )
    start = 2 if vqa.kind == "florence2" else inputs["input_ids"].shape[1]
    tokens = output.sequences[0, start:]
    answer = vqa.ask(photo, QUESTIONS[0])
    assert answer.text == " ".join(processor.tokenizer.decode(tokens, skip_special_tokens=True).split()).rstrip(".")
    logits = output.logits[-len(tokens) :]
    each = [float(step[0].log_softmax(-1)[token]) for step, token in zip(logits, tokens, strict=True)]
    assert answer.confidence == pytest.approx(math.exp(np.mean(each)), rel=1e-3)
    scores = [score for _, score in answer.top]
    assert scores == sorted(scores, reverse=True) and len(vqa.ask(photo, QUESTIONS[0], top=1).top) == 1


def test_keys_and_values_of_a_photo_serve_the_next_question(vqa: ForeignVQA, photo: Path) -> None:
    """Reuse equals no reuse; where the photo's tokens attend to the question, it is found out and not done."""
    first = vqa.ask(photo, QUESTIONS[1])
    adapter, name = vqa.adapter, Path(vqa.folder).name
    assert adapter.reuse is REUSED[name]
    anew = copy.copy(adapter)
    anew.reuse = False
    with torch.inference_mode():
        (reply,) = anew.ask(anew.encode(Image.open(photo)), [QUESTIONS[1]], 5)
    assert [text for text, _ in reply.ranked] == [text for text, _ in first.top]
    assert [score for _, score in reply.ranked] == pytest.approx([score for _, score in first.top], rel=1e-3)
    np.testing.assert_allclose(first.attention[0], reply.attention, atol=1e-4)


def test_the_vision_encoder_runs_once_for_a_photo(
    vqa: ForeignVQA, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_several_questions_are_answered_as_one(vqa: ForeignVQA, photo: Path) -> None:
    together = vqa.ask_many(photo, QUESTIONS)
    for question, answer in list(zip(QUESTIONS, together, strict=True))[::2]:
        alone = vqa.ask(photo, question)
        assert [name for name, _ in alone.top] == [name for name, _ in answer.top]
        assert [score for _, score in alone.top] == pytest.approx([score for _, score in answer.top], rel=1e-3)
        assert alone.blind is not None and answer.blind is not None and alone.blind.answer == answer.blind.answer
        np.testing.assert_allclose(alone.attention, answer.attention, atol=1e-5)


def test_attention_lies_over_the_photo(vqa: ForeignVQA, photo: Path) -> None:
    answer = vqa.ask(photo, QUESTIONS[0])
    assert answer.attention.shape == (1, *GRIDS[Path(vqa.folder).name])
    assert answer.attention.sum() == pytest.approx(1) and np.ptp(answer.attention) > 1e-3


def test_given_answers_are_scored_as_written_ones(vqa: ForeignVQA, photo: Path) -> None:
    answer = vqa.ask(photo, QUESTIONS[0])
    if len(vqa.adapter._spelled[answer.text]) < 4:  # an answer that was cut short has no end to be scored
        assert vqa.scores(photo, QUESTIONS[0], [answer.text]) == pytest.approx([answer.confidence], rel=1e-3)
    scores = vqa.scores(photo, QUESTIONS[0], ["red", "two dog"])
    assert scores[1] == pytest.approx(vqa.scores(photo, QUESTIONS[0], ["two dog"])[0], rel=1e-3)
    assert all(0 <= score <= 1 for score in scores)


def test_the_answer_without_the_photo(vqa: ForeignVQA, photo: Path) -> None:
    answer, grey = vqa.ask(photo, QUESTIONS[0]), np.full((448, 448, 3), 128, np.uint8)
    assert answer.blind.answer == vqa.ask(grey, QUESTIONS[0]).text and 0 <= answer.photo_mattered <= 1
    assert vqa.ask(grey, QUESTIONS[0]).photo_mattered == pytest.approx(0, abs=1e-3)
    (alone,) = vqa.ask_without([QUESTIONS[0]])
    assert (alone is None) == (vqa.adapter.processor.chat_template is None)


def test_a_model_without_attention_gets_a_map_by_occlusion(
    folders: dict[str, Path], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vqa = VQA.load(folders["llava"], "cpu", "float32")
    monkeypatch.setattr(covering, "COARSE", 2)
    monkeypatch.setattr(covering, "SPLIT", 1)
    monkeypatch.setattr(vqa.adapter, "maps", lambda encoded, attention, count: [None] * count)
    answer = vqa.ask(photo, QUESTIONS[0])
    falls = vqa.occlusion(Image.open(photo), QUESTIONS[0], answer.text).clip(min=0)
    np.testing.assert_allclose(answer.attention[0], falls / falls.sum(), rtol=1e-3, atol=1e-5)


def test_what_cannot_be_asked_is_one_sentence(folders: dict[str, Path], tmp_path: Path) -> None:
    text = tmp_path / "text"
    LlamaForCausalLM(LlamaConfig(**tiny.TEXT)).save_pretrained(text)
    with pytest.raises(InputError, match="is of type llama, which transformers cannot ask about a picture"):
        VQA.load(text, "cpu")
    bare = shutil.copytree(folders["llava"], tmp_path / "bare")
    (bare / "processor_config.json").unlink()
    with pytest.raises(InputError) as caught:
        VQA.load(bare, "cpu")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="The precision 'int3' is not one of"):
        VQA.load(folders["llava"], "cpu", "int3")


def test_code_of_a_checkpoint_runs_only_when_trusted() -> None:
    config = {"model_type": "theirs", "auto_map": {"AutoModelForImageTextToText": "theirs.Model"}}
    with pytest.raises(InputError, match="brings its own code; run it with --trust-remote-code"):
        adapter_for("theirs", config)
    assert adapter_for("theirs", config, trust_remote_code=True) == "vqa.foreign.image_text"
    assert adapter_for("ours", {"model_type": "glimpse"}) is None


def test_half_precision(folders: dict[str, Path], photo: Path) -> None:
    vqa = VQA.load(folders["llava"], "cpu", "bfloat16")
    assert vqa.dtype is torch.bfloat16 and vqa.ask(photo, QUESTIONS[0]).attention.sum() == pytest.approx(1, abs=1e-3)


def test_tiles_lie_row_by_row() -> None:
    from vqa.foreign.layout import on_photo, runs, uncropped

    assert runs([3, 4, 5, 9, 10]) == [3, 2]
    tiles = np.zeros((2, 2, 2, 2))
    tiles[0, 1, 1, 0] = 1  # upper right tile, lower left token
    found = on_photo(np.append(tiles.ravel(), [0, 0, 0, 0]), [4] * 5, (90, 60), None, None)
    assert found.shape == (4, 4) and found[1, 2] == 1
    longer = on_photo(np.arange(1.0, 14), [13], (10, 10), None, 3)  # a whole photo of 9 tokens, and parts of it
    np.testing.assert_allclose(longer * 45, np.arange(1.0, 10).reshape(3, 3))
    assert on_photo(np.ones(7), [7], (10, 10), None, None) is None
    assert on_photo(np.ones(6), [6], (30, 20), [4, 6], None).shape == (2, 3)

    class Images:
        do_center_crop = True

    wide = uncropped(np.full((4, 4), 1 / 16), (60, 30), Images())
    assert wide.shape == (4, 8) and wide[:, 2:6].sum() == 1


def test_it_writes_captions(folders: dict[str, Path], photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_what_does_not_fit_the_model_is_one_sentence(
    folders: dict[str, Path], photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("template", "weights"):
        shutil.copytree(folders["llava"], tmp_path / name)
    (tmp_path / "template" / "chat_template.jinja").write_text("{{ a.b }}")
    tensors = load_file(tmp_path / "weights" / "model.safetensors")
    undefined = {name: tensor * math.nan for name, tensor in tensors.items()}
    save_file(undefined, tmp_path / "weights" / "model.safetensors", {"format": "pt"})
    for command, name, message in (
        (["ask", str(photo), QUESTIONS[0]], "template", "cannot answer this ('a' is undefined)"),
        (["describe", str(photo)], "template", "cannot answer this ('a' is undefined)"),
        (["ask", str(photo), QUESTIONS[0]], "weights", "computes undefined scores"),
    ):
        assert cli.main([*command, "--model", str(tmp_path / name), "--device", "cpu"]) == 2
        assert message in capsys.readouterr().err


def test_a_photo_that_it_cannot_take_is_left_out(folders: dict[str, Path], photo: Path, tmp_path: Path) -> None:
    Image.new("RGB", (1000, 2)).save(tmp_path / "line.png")
    shutil.copy(photo, tmp_path / "photo.png")
    rows = [{"image": f"{name}.png", "question": q, "answer": "x"} for name in ("line", "photo") for q in QUESTIONS[:2]]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["evaluate", "--data", str(tmp_path / "data.jsonl"), "--images", str(tmp_path), "--swap-photos"]
    words += ["--model", str(folders["qwen"]), "--device", "cpu", "--output", str(tmp_path / "out")]
    assert cli.main(words) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["n"] == 2 and results["skipped"] == {"question": 2}


def test_its_confidence_is_calibrated_and_remembered(
    folders: dict[str, Path], photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, model = tmp_path / "data.jsonl", folders["llava"]
    before = VQA.load(model, "cpu", "float32").ask(photo, QUESTIONS[0])
    rows = [{"image": photo.name, "question": q, "answer": "never"} for q in QUESTIONS]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = sorted(path.name for path in model.iterdir())
    words = [
        "evaluate",
        "--data",
        str(data),
        "--images",
        str(photo.parent),
        "--model",
        str(model),
        "--dtype",
        "float32",
    ]
    assert cli.main([*words, "--calibrate", str(data)]) == 0
    after = VQA.load(model, "cpu", "float32").ask(photo, QUESTIONS[0])
    assert after.confidence < before.confidence and after.text == before.text  # it is always wrong
    assert after.top[1].score / after.confidence == pytest.approx(before.top[1].score / before.confidence)
    assert sorted(path.name for path in model.iterdir()) == files and "It is calibrated" in after.note


@pytest.mark.parametrize("content", [{}, {"temperatures": 5}, {"temperatures": {"other": "x"}}])
def test_a_damaged_calibration_is_refused(content: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = calibration.write("theirs/model", {"other": 2.0}, 9)
    assert calibration.read("theirs/model") == {"other": 2.0}
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="delete it and calibrate the model again"):
        calibration.read("theirs/model")


def test_temperatures_are_those_of_the_greatest_likelihood() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.02, 0.98, 20_000)
    right = (generator.random(20_000) < calibration.calibrated(confidence, 2.0)).astype(float)
    kinds = ["number" if i % 2 else "other" for i in range(20_000)]
    fitted = calibration.fit(confidence, right, kinds)
    assert fitted["number"] == pytest.approx(2, rel=0.06) and fitted["yes/no"] == pytest.approx(2, rel=0.06)
    assert calibration.calibrated(0.8, 1.0) == pytest.approx(0.8)
