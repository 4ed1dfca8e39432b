import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from tests.data.refusal import refusal
from vqa.checkpoint.load import load_checkpoint
from vqa.data.vocabulary import build_tokenizer
from vqa.model.errors import InputError
from vqa.model.processing import VQAImageProcessor, VQAProcessor
from vqa.model.text import check_question, short


@pytest.fixture(scope="module")
def processor() -> VQAProcessor:
    tokenizer = build_tokenizer(["what is on the table?", "what's the cat's name?", "isn't it 2nd?", "café"])
    return VQAProcessor(VQAImageProcessor(size=32, image_mean=[0.4, 0.5, 0.6], image_std=0.25), tokenizer)


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, np.full_like(x, 77)], -1).round().astype(np.uint8))


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (32, 32), (40, 1000)])
def test_the_photo_is_squashed_whole(processor, size):
    square = processor.image_processor.square(gradient(*size)).astype(float)
    assert square.shape == (32, 32, 3)
    ramp = (np.arange(32) + 0.5) / 32 * 255  # no crop: it still runs from edge to edge
    np.testing.assert_allclose(square[..., 0].mean(0), ramp, rtol=0, atol=20)
    np.testing.assert_allclose(square[..., 1].mean(1), ramp, rtol=0, atol=20)
    np.testing.assert_allclose(square[..., 2], 77, rtol=0, atol=1)


def test_normalize_by_hand(processor):
    squares = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    pixels = processor.image_processor.normalize(squares)
    channels = [(squares[..., i] / 255 - mean) / 0.25 for i, mean in enumerate([0.4, 0.5, 0.6])]
    torch.testing.assert_close(pixels, torch.stack(channels, 1), atol=1e-5, rtol=1e-5)


def test_encode_pads_on_the_right(processor):
    ids, mask = processor.encode(["what is on the table", "cat"])
    assert mask.tolist() == [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]
    assert ids[1, 1:].eq(0).all()
    assert ids[mask.bool()].ne(0).all()
    assert torch.equal(processor.encode(["cat"])[0][0], ids[1, :1])


def test_call_gives_what_was_asked_for(processor):
    assert set(processor(text="what is on the table?")) == {"input_ids", "attention_mask"}
    assert set(processor(images=gradient(9, 9))) == {"pixel_values"}
    assert set(processor(images=gradient(9, 9), text="what")) == set(processor.model_input_names)


@pytest.mark.parametrize(
    ("question", "words", "unknown"),
    [
        ("What is on the TABLE?", ["What", "is", "on", "the", "TABLE"], []),
        ("what's the cat\u2019s name", ["what", "'s", "the", "cat", "\u2019s", "name"], []),
        ("Isn't it?", ["Is", "n't", "it"], []),
        ("Café, cafe!", ["Café", "cafe"], []),
        ("cafe\u0301 table", ["caf\u00e9", "table"], []),
        ("is the zebra on it", ["is", "the", "zebra", "on", "it"], ["zebra"]),
        ("🐱 what 🐱 is", ["what", "is"], []),
    ],
)
def test_words_are_the_question_s_own(processor, question, words, unknown):
    assert processor.words(question) == (words, unknown)
    assert processor.encode([question])[0].shape == (1, len(words))


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "The question is empty"),
        (" \n\t", "The question is empty"),
        ("🐱🐶", "has no words"),
        ("???", "has no words"),
        ("a" * 10_000, "has 10,000 characters; at most 300"),
        (None, "A question is text, not NoneType"),
        (3, "A question is text, not int"),
        (b"what", "A question is text, not bytes"),
        ("what is \udcff", "cannot be read as text"),
    ],
)
def test_question_that_cannot_be_asked_is_reported(processor, question, message):
    assert message in refusal(processor.encode, [question])


def test_the_longest_question_is_fine_and_short_in_messages(processor):
    question = ("what is " * 100)[:300]
    assert check_question(question) == question
    assert processor.encode([question])[0].shape[0] == 1
    assert (short("a cat"), short("b" * 60)) == ("'a cat'", repr("b" * 39 + "…"))


def test_save_and_load(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    again = VQAProcessor.from_pretrained(tmp_path)
    question = "What's on the Café table, zebra?"
    assert torch.equal(again.encode([question])[0], processor.encode([question])[0])
    assert again.words(question) == processor.words(question)
    assert torch.equal(*(one(images=gradient(40, 30))["pixel_values"] for one in (again, processor)))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert tokenizer(question)["input_ids"] == processor.encode([question])[0][0].tolist()


def test_a_jpeg_read_small_is_close_to_the_whole(processor):
    """The decoder's shortcut for large JPEGs (a hint to open it smaller) must not be seen in the result."""
    file = io.BytesIO()
    gradient(1200, 900).save(file, "JPEG", quality=95)
    quick = processor.image_processor.square(file.getvalue()).astype(float)
    exact = np.asarray(Image.open(file).resize((32, 32), Image.Resampling.BOX), dtype=float)
    assert np.abs(quick - exact).max() < 6


def test_one_photo_may_have_several_questions(tiny_checkpoint):
    net, processor = load_checkpoint(tiny_checkpoint)
    photo, questions = gradient(40, 30), ["what is on the table?", "how many dogs?", "what color is the cat?"]
    together = processor(images=photo, text=questions, return_tensors="pt")
    assert together["photo_index"].tolist() == [0, 0, 0]
    apart = processor(images=[photo] * 3, text=questions, return_tensors="pt")
    assert "photo_index" not in apart
    with torch.inference_mode():
        assert torch.allclose(net(**together).logits, net(**apart).logits, atol=1e-5)
    with pytest.raises(InputError, match="There are 2 photos and 3 questions; give a photo for each question"):
        processor(images=[photo] * 2, text=questions)
    with pytest.raises(InputError, match="There are 2 photos and 1 questions"):
        processor(images=[photo] * 2, text="what?")
