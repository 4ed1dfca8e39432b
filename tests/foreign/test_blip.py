"""BLIP answers with our methods as it does with its own."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BlipForQuestionAnswering, BlipProcessor

from vqa.foreign.blip import BEAMS, LONGEST, merged
from vqa.predict import VQA

QUESTION = "what is on the table?"


@pytest.fixture(scope="module")
def net(blip: Path) -> BlipForQuestionAnswering:
    return BlipForQuestionAnswering.from_pretrained(blip, attn_implementation="eager").eval()


@pytest.fixture(scope="module")
def inputs(blip: Path, photo: Path):
    return BlipProcessor.from_pretrained(blip)(Image.open(photo), QUESTION, return_tensors="pt")


def test_its_answer_is_that_of_its_own_generate(net: BlipForQuestionAnswering, inputs, blip: Path, photo: Path) -> None:
    """The score token by token, by the model's forward on the finished answer."""
    vqa = VQA.load(blip, "cpu")
    answer = vqa.ask(photo, QUESTION)
    written = net.generate(**inputs, num_beams=BEAMS, max_new_tokens=LONGEST, length_penalty=0.0)
    text = BlipProcessor.from_pretrained(blip).decode(written[0, 1:], skip_special_tokens=True)
    assert answer.text == " ".join(text.split())
    with torch.inference_mode():
        seen = net.vision_model(inputs["pixel_values"]).last_hidden_state
        asked = net.text_encoder(inputs["input_ids"], inputs["attention_mask"], encoder_hidden_states=seen)[0]
        logits = net.text_decoder(written, encoder_hidden_states=asked).logits[0, :-1]
    chosen = logits.log_softmax(-1).gather(1, written[0, 1:, None])
    assert answer.confidence == pytest.approx(math.exp(float(chosen.sum())), rel=1e-3)
    scores = [score for _, score in answer.top]
    assert scores == sorted(scores, reverse=True) and sum(scores) <= 1 + 1e-6
    assert len(vqa.ask(photo, QUESTION, top=1).top) == 1 and vqa.answers is None


def test_the_attention_is_that_of_the_question(net: BlipForQuestionAnswering, inputs, blip: Path, photo: Path) -> None:
    """Read off the last layer's own module while the whole model runs."""
    attention = VQA.load(blip, "cpu").ask(photo, QUESTION).attention
    kept = []
    module = net.text_encoder.encoder.layer[-1].crossattention.self
    hook = module.register_forward_hook(lambda _module, _inputs, output: kept.append(output[1]))
    with torch.inference_mode():
        net.generate(**inputs, max_new_tokens=2)
    hook.remove()
    expected = kept[0][0, :, :, 1:].mean((0, 1)).reshape(4, 4)
    assert attention.shape == (1, 4, 4)
    np.testing.assert_allclose(attention[0], expected / expected.sum(), rtol=1e-4)
    assert np.ptp(attention) > 0.001


def test_the_same_answer_in_other_tokens_counts_together() -> None:
    assert merged(["a dog", "two", " a  dog "], [0.2, 0.35, 0.2]) == [("a dog", 0.4), ("two", 0.35)]
