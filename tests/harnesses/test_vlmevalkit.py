"""The wrapper's message handling, with VLMEvalKit's own base class where it is installed and without it elsewhere."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vqa.harnesses import plain_question, vlmevalkit
from vqa.harnesses.vlmevalkit import Glimpse
from vqa.predict import VQA

INSTALLED = importlib.util.find_spec("vlmeval") is not None
needs_vlmeval = pytest.mark.skipif(not INSTALLED, reason="needs VLMEvalKit: pip install ms-vlmeval==0.0.20")
QUESTION = "what color is the cat?"


@pytest.fixture(scope="module")
def model(tiny_checkpoint) -> Glimpse:
    return Glimpse(str(tiny_checkpoint), device="cpu", dtype="float32")


@pytest.fixture
def asked(model, monkeypatch) -> list[tuple]:
    """The photos and questions that reach the model."""
    seen: list[tuple] = []
    ask = model.vqa.ask

    def listen(photo, question, **kwargs):
        seen.append((photo, question))
        return ask(photo, question, **kwargs)

    monkeypatch.setattr(model.vqa, "ask", listen)
    return seen


def message(*parts: str) -> list[dict[str, str]]:
    """Photos are named by absolute paths; all else is text."""
    return [{"type": "image" if part.startswith("/") else "text", "value": part} for part in parts]


def test_the_package_loads_no_harness():
    code = "import sys, vqa.harnesses as h; sys.exit(bool({'torch', 'lmms_eval', 'vlmeval'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    "prompt",
    [
        QUESTION,
        f"{QUESTION}\nAnswer the question using a single word or phrase.",
        f"Question: {QUESTION}\nOptions:\nA. red\nB. blue\nPlease select the correct answer from the options above. \n",
        f"Hint: look closely.\nQuestion: {QUESTION}\nOptions:\nA. red\nB. blue\n",
        f"<image>\n{QUESTION}\nA. red\nB. blue\nAnswer with the option's letter from the given choices directly.",
        f"Q: {QUESTION} Short answer:",
        f"Question: {QUESTION} Answer:",
    ],
)
def test_the_question_is_extracted_from_its_prompt(prompt):
    assert plain_question(prompt) == QUESTION


def test_a_question_that_resembles_a_prompt_is_unchanged():
    alike = ["What is the answer to the sum on the board?", "Can you choose a cup. Is it red", "is there a. sign?"]
    alike += ["There is a cup.\nIs it full?", "Options: are there any?", "Answer the phone?"]
    alike += ["Answer me."]  # never nothing
    assert list(map(plain_question, alike)) == alike


def test_the_harness_s_own_texts_are_removed():
    assert plain_question(f"Look! {QUESTION} Now tell me.", "Look! ", " Now tell me.") == QUESTION


def test_every_real_question_is_unchanged(shared: Path):
    from vqa.data.readers import read_examples

    examples = read_examples(shared / "data/coco/questions_val.jsonl")
    changed = [e.question for e in examples if plain_question(e.question) != e.question.strip()]
    assert len(examples) > 1000 and changed == []


def test_a_message_is_answered_as_the_model_answers(model, photos, tiny_checkpoint, asked):
    vqa = VQA.load(tiny_checkpoint, device="cpu", dtype="float32")
    plain = message(photos[0], f"{QUESTION}\nAnswer the question using a single word or phrase.")
    assert model.generate_inner(plain, dataset="GQA_TestDev_Balanced") == vqa.ask(photos[0], QUESTION).text
    model.generate_inner(message("what color", photos[1], photos[0], "is the cat?"))
    assert asked == [(photos[0], QUESTION), (photos[1], "what color\nis the cat?")]


def test_unreadable_messages_get_an_empty_answer_and_are_counted(model, photos, tmp_path, caplog):
    before = model.unanswered
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    bad = message(QUESTION), message(photos[0], "???"), message(str(broken), QUESTION)
    assert list(map(model.generate_inner, bad)) == ["", "", ""]
    assert model.unanswered == before + 3
    assert "no photo" in caplog.text and f"Unanswered so far: {before + 3}" in caplog.text


def test_it_registers_and_starts_the_harness(tiny_checkpoint, monkeypatch):
    """A stand-in for the two modules that this touches, whose names and signatures are VLMEvalKit's."""
    models: dict = {}
    started: list[list[str]] = []
    run = SimpleNamespace(main=lambda: started.append(sys.argv[1:]))
    config = SimpleNamespace(supported_VLM=models)
    for name, module in (("vlmeval", SimpleNamespace()), ("vlmeval.config", config), ("vlmeval.run", run)):
        monkeypatch.setitem(sys.modules, name, module)
    arguments = ["--data", "GQA_TestDev_Balanced", "--model", "Glimpse"]
    monkeypatch.setattr(sys, "argv", ["glimpse", "--pretrained", str(tiny_checkpoint), *arguments, "--device", "cpu"])
    vlmevalkit.main()
    assert started == [arguments]
    assert str(models["Glimpse"]().vqa.folder) == str(tiny_checkpoint)


@needs_vlmeval
def test_the_real_harness_runs_it(tmp_path, monkeypatch, tiny_checkpoint, photos):
    import pandas as pd
    from vlmeval.config import supported_VLM
    from vlmeval.dataset import build_dataset
    from vlmeval.inference import infer_data_job
    from vlmeval.smp import encode_image_file_to_base64

    monkeypatch.setenv("LMUData", str(tmp_path))
    rows = [[i, encode_image_file_to_base64(photo), QUESTION, "red"] for i, photo in enumerate(photos)]
    table = pd.DataFrame(rows, columns=["index", "image", "question", "answer"])
    table.to_csv(tmp_path / "GlimpseTest.tsv", sep="\t", index=False)
    vlmevalkit.register("GlimpseTiny", pretrained=str(tiny_checkpoint), device="cpu", dtype="float32")
    assert "GlimpseTiny" in supported_VLM
    infer_data_job("GlimpseTiny", str(tmp_path), "GlimpseTiny", build_dataset("GlimpseTest"))
    (written,) = tmp_path.glob("GlimpseTiny_GlimpseTest.*")
    predictions = pd.read_excel(written)["prediction"]
    assert len(predictions) == 2 and set(predictions.astype(str)) <= {"yes", "no", "2", "red", "teddy bear"}
