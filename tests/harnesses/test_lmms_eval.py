"""Against the real lmms-eval: its registry, its base class and its evaluation loop, on photos made here."""

import importlib.util
import json
import math
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from vqa.data.metric import vqa_accuracy
from vqa.harnesses import lmms_eval_models
from vqa.model.errors import InputError
from vqa.predict import VQA, Answer

if importlib.util.find_spec("lmms_eval") is None:
    message = "needs lmms-eval: pip install lmms-eval==0.7.3"
    if os.environ.get("CI") == "true":
        raise ImportError(message)
    pytest.skip(message, allow_module_level=True)

from lmms_eval.api.instance import Instance
from lmms_eval.models.registry_v2 import ModelRegistryV2

from vqa.harnesses.lmms_eval import Glimpse


@pytest.fixture(scope="module", autouse=True)
def truncated_photos_stay_broken() -> Iterator[None]:
    """Undo lmms-eval's setting of Pillow, for the whole process, to accept truncated photos."""
    yield
    ImageFile.LOAD_TRUNCATED_IMAGES = False


QUESTIONS = ["what color is the cat?", "what is on the table?", "how many dogs are there?"]
INSTRUCTION = "\nAnswer the question using a single word or phrase."


@pytest.fixture(scope="module")
def rows(photos) -> list[dict[str, Any]]:
    """Three questions about each photo."""
    return [{"question_id": 0, "photo": photo, "question": question} for photo in photos for question in QUESTIONS]


@pytest.fixture(scope="module")
def model(tiny_checkpoint) -> Glimpse:
    return Glimpse(str(tiny_checkpoint), device="cpu", dtype="float32", batch_size=4)


@pytest.fixture(scope="module")
def alone(tiny_checkpoint, rows) -> list[Answer]:
    """The answers, asked one by one without the harness."""
    vqa = VQA.load(tiny_checkpoint, device="cpu", dtype="float32")
    return [vqa.ask(row["photo"], row["question"]) for row in rows]


def open_row(row: dict[str, Any]) -> list[Image.Image]:
    return [Image.open(row["photo"])]


def ask(model: Glimpse, rows: list[dict[str, Any]], kind: str = "generate_until", second: Any = None, see=open_row):
    """Requests as the harness builds them."""
    model.task_dict = {"task": {"test": rows}}
    return [
        Instance(kind, (text, second, see, i, "task", "test"), 0, {"task": "task", "doc_id": i, "repeats": 1})
        for i, text in enumerate(row["question"] + INSTRUCTION for row in rows)
    ]


def test_the_harness_finds_it_and_builds_it_from_its_argument_string(tiny_checkpoint):
    registry = ModelRegistryV2()
    registry.register_manifest(lmms_eval_models())
    assert registry.get_model_class("glimpse") is Glimpse
    sent = {"batch_size": "auto", "max_batch_size": None, "device": None}
    model = Glimpse.create_from_arg_string(f"pretrained={tiny_checkpoint},device=cpu", sent)
    assert str(model.device) == "cpu" and model.batch_size > 1
    with pytest.raises(InputError, match="'temperature' is unknown"):
        Glimpse.create_from_arg_string("temperature=1")
    with pytest.raises(InputError, match="batch size '0'"):
        Glimpse(str(tiny_checkpoint), batch_size="0")


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_answers_in_order_as_without_the_harness(model, rows, alone, batch_size, monkeypatch):
    encoded, encode = list[int](), model.vqa.encode_squares

    def count(squares):
        encoded.append(len(squares))
        return encode(squares)

    model.vqa._looks.clear()
    monkeypatch.setattr(model, "batch_size", batch_size)
    monkeypatch.setattr(model.vqa, "encode_squares", count)
    assert model.generate_until(ask(model, rows)) == [answer.text for answer in alone]
    assert sum(encoded) == 2  # each photo once, whatever the batches
    losses = [result.text[0] for result in model.loglikelihood(ask(model, rows, "loglikelihood", " no"))]
    expected = [-math.log(dict(answer.top)["no"]) for answer in alone]
    assert len({round(loss, 5) for loss in expected}) == len(rows)  # else any order would do
    assert losses == pytest.approx(expected, abs=1e-6)


def test_unreadable_requests_get_an_empty_answer_and_a_warning(model, rows, alone, tmp_path, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr("vqa.harnesses.lmms_eval.logger", SimpleNamespace(warning=warnings.append))
    changes = {1: {"question": "???"}, 3: {"photo": str(tmp_path / "missing.png")}}
    bad = [row | changes.get(i, {}) for i, row in enumerate(rows)]
    expected = ["" if i in (1, 3) else answer.text for i, answer in enumerate(alone)]
    assert model.generate_until(ask(model, bad)) == expected
    assert len(warnings) == 1 and warnings[0].startswith("2 questions could not be answered; the first, task row 1")
    for see in (lambda row: [], lambda row: open_row(row) * 2, lambda row: None):
        assert model.generate_until(ask(model, rows[:1], see=see)) == [""]


def test_a_task_s_own_texts_are_removed(model, rows, monkeypatch):
    class Task:
        lmms_eval_specific_kwargs = {"pre_prompt": "Look! ", "post_prompt": f" Be brief.{INSTRUCTION}"}  # noqa: RUF012

        def doc_to_visual(self, row):
            return open_row(row)

    received: list[str] = []

    def record(look, questions, top):
        received.extend(questions)
        return [None for _ in questions]

    monkeypatch.setattr(model.vqa, "ask_many", record)
    row = rows[0] | {"question": f"Look! {QUESTIONS[0]} Be brief."}
    list(model._answers(ask(model, [row], see=Task().doc_to_visual)))
    assert received == [QUESTIONS[0]]


def test_choices_are_scored_by_their_probability(model, rows):
    answer = model.vqa.ask(rows[0]["photo"], QUESTIONS[0], top=5)
    for text, score in answer.top:
        (pair,) = model.loglikelihood(ask(model, rows[:1], "loglikelihood", f" {text.title()}."))
        assert pair.text == (pytest.approx(-math.log(score), rel=1e-4), text == answer.text)
    choices = (" zebra", " yes", lambda row: " yes")  # the last: how the task may give its target
    pairs = model.loglikelihood([ask(model, rows[:1], "loglikelihood", choice)[0] for choice in choices])
    foreign, known, by_row = (pair.text[0] for pair in pairs)
    assert known == by_row < foreign == math.inf


def test_unsupported_requests_are_one_sentence(model, rows):
    with pytest.raises(InputError, match="None of the 6 choices"):
        model.loglikelihood(ask(model, rows, "loglikelihood", " zebra"))
    with pytest.raises(InputError, match="no conversation"):
        model.generate_until_multi_round(ask(model, rows, "generate_until_multi_round"))
    request = ask(model, rows[:1], "loglikelihood")[0]
    request.arguments = ("", "yes")
    with pytest.raises(InputError, match="acc_mutual_info"):
        model.loglikelihood([request])


TASK = """
task: glimpse_{kind}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: {kind}
doc_to_visual: !function functions.see
doc_to_target: target
metadata: [{{version: 0.0}}]
"""
OPEN = """
doc_to_text: !function functions.vqav2_doc_to_text
process_results: !function functions.vqav2_process_results_val
lmms_eval_specific_kwargs: {default: {pre_prompt: "", post_prompt: " Be brief, my friend."}}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
CHOICE = """
doc_to_text: question
doc_to_choice: ["yes", "no", "zebra", "2", "red", "teddy bear"]
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
FUNCTIONS = """
from PIL import Image
from lmms_eval.tasks.vqav2.utils import vqav2_doc_to_text, vqav2_process_results_val

def see(row):
    return [Image.open(row["photo"])]
"""


def test_a_whole_evaluation(tmp_path, monkeypatch, tiny_checkpoint, rows, alone):
    """The harness's own loop, tasks and metrics: VQA accuracy as ours, and the choices as the open answers."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from lmms_eval import models
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    models.MODEL_REGISTRY_V2.register_manifest(lmms_eval_models(), overwrite=True)
    given = [[answer.text] * 2 + ["no"] * 4 + ["yes"] * 4 for answer in alone]
    data = [
        row | {"target": answer.text, "answers": [{"answer": a, "answer_id": i} for i, a in enumerate(ten)]}
        for row, answer, ten in zip(rows, alone, given, strict=True)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, data)))
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    for kind, rest in {"generate_until": OPEN, "multiple_choice": CHOICE}.items():
        (tmp_path / f"{kind}.yaml").write_text(TASK.format(kind=kind, data=tmp_path / "rows.jsonl") + rest)
    results = simple_evaluate(
        model="glimpse",
        model_args=f"pretrained={tiny_checkpoint},device=cpu,dtype=float32",
        tasks=["glimpse_generate_until", "glimpse_multiple_choice"],
        batch_size=4,
        task_manager=TaskManager(include_path=str(tmp_path), model_name="glimpse"),
    )["results"]
    expected = np.mean([vqa_accuracy(answer.text, ten) for answer, ten in zip(alone, given, strict=True)]) / 100
    assert results["glimpse_generate_until"]["exact_match,none"] == pytest.approx(expected, abs=1e-6)
    assert results["glimpse_multiple_choice"]["acc,none"] == 1.0
