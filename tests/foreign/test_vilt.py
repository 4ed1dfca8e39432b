"""ViLT answers with our methods as it does with its own."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViltForQuestionAnswering, ViltProcessor

from vqa.predict import VQA

QUESTION = "what color is the cat?"


def by_itself(folder: Path, photo: Path, **more: bool):
    """The output of the model's own forward, called as in its documentation."""
    net = ViltForQuestionAnswering.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = ViltProcessor.from_pretrained(folder)(Image.open(photo), QUESTION, return_tensors="pt")
    with torch.inference_mode():
        return net(**inputs, **more)


def test_its_answers_are_those_of_the_model(vilt: Path, photo: Path) -> None:
    vqa = VQA.load(vilt, "cpu")
    answer = vqa.ask(photo, QUESTION, top=4)
    scores = by_itself(vilt, photo).logits[0].sigmoid().tolist()
    expected = sorted(zip(scores, ["yes", "no", "red", "Two dogs"], strict=True), reverse=True)
    assert answer.top == [(name, pytest.approx(score, abs=1e-5)) for score, name in expected]
    assert (answer.text, answer.confidence) == answer.top[0]
    assert len(vqa.ask(photo, QUESTION, top=2).top) == 2


def test_the_attention_lies_where_the_patches_are(vilt: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model draws its patches in a random order; here they are drawn row by row, and so need not be sorted back."""
    answer = VQA.load(vilt, "cpu").ask(photo, QUESTION)
    monkeypatch.setattr(torch, "multinomial", lambda weights, count, **_: torch.arange(count))
    last = by_itself(vilt, photo, output_attentions=True).attentions[-1][0]
    expected = last[:, 0, -4 * 6 :].mean(0).reshape(4, 6)  # 64 x 96 pixels
    assert answer.attention.shape == (1, 4, 6)
    np.testing.assert_allclose(answer.attention[0], expected / expected.sum(), rtol=1e-4)
    assert np.ptp(answer.attention) > 0.01


def test_a_model_that_takes_some_patches_only_answers_the_same_twice(vilt: Path, photo: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(vilt, tmp_path / "vilt")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_image_length": 6}))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = VQA.load(folder, "cpu").ask(photo, QUESTION)
    assert torch.equal(torch.get_rng_state(), state)  # the global random state is unchanged
    torch.manual_seed(2)
    assert first.top == VQA.load(folder, "cpu").ask(photo, QUESTION).top
    assert (first.attention > 0).sum() == 6 and first.attention.sum() == pytest.approx(1)


def test_a_long_question_is_cut(vilt: Path, photo: Path) -> None:
    vqa = VQA.load(vilt, "cpu")
    assert vqa.ask(photo, "what is " * 30).top == vqa.ask(photo, "what is " * 20).top
