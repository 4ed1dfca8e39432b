"""More words and answers for a trained model."""

from pathlib import Path

import pytest
import torch

from train.fitting.surgery import grow
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.save import save_checkpoint
from vqa.data.vocabulary import grow_tokenizer
from vqa.model.model import VQAModel
from vqa.model.processing import VQAProcessor

NEW = ["yes", "no", "2", "red", "teddy bear", "zebra", "okapi"]
QUESTIONS = ["what is on the table?", "what color is the cat?"]


@pytest.fixture
def old(tiny_checkpoint: Path) -> tuple[VQAModel, VQAProcessor]:
    return load_checkpoint(tiny_checkpoint)


def outputs(net: VQAModel, processor: VQAProcessor, questions: list[str]) -> dict[str, torch.Tensor]:
    """Logits of the whole model and its two guessing heads, about the same random photos."""
    photos = torch.rand(len(questions), 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        grid = net.eval().encode_image(photos)
        found = net(*processor.encode(questions), grid=grid)
        blind, image_only = net.blind_logits(found.question), net.image_only_logits(grid)
    return {"answer": found.logits, "blind": blind, "image_only": image_only}


def test_old_answers_score_as_before_and_new_ones_are_never_the_best(old: tuple[VQAModel, VQAProcessor]) -> None:
    net, processor = old
    before = outputs(net, processor, QUESTIONS)
    after = outputs(grow(net, net.config.vocab_size, NEW), processor, QUESTIONS)
    for head, logits in before.items():
        torch.testing.assert_close(after[head][:, :5], logits)
        torch.testing.assert_close(after[head][:, 5:], logits.mean(1, keepdim=True).expand(-1, 2))
        assert (after[head].argmax(1) < 5).all()


def test_answers_may_change_their_order_and_go(old: tuple[VQAModel, VQAProcessor]) -> None:
    net, processor = old
    before = outputs(net, processor, QUESTIONS)["answer"]
    grown = grow(net, net.config.vocab_size, ["okapi", "red", "yes"])
    torch.testing.assert_close(outputs(grown, processor, QUESTIONS)["answer"][:, 1:], before[:, [3, 0]])
    assert grown.config.answers == ["okapi", "red", "yes"]


def test_a_new_word_is_an_unknown_word_until_it_is_learned(old: tuple[VQAModel, VQAProcessor]) -> None:
    net, processor = old
    tokenizer = grow_tokenizer(processor.tokenizer, ["what color is the okapi, what's on it?"])
    larger = VQAProcessor(processor.image_processor, tokenizer)
    question = ["what color is the okapi?"]
    assert processor.words(question[0])[1] == ["okapi"] and larger.words(question[0])[1] == []
    before = outputs(net, processor, question)["answer"]
    torch.testing.assert_close(outputs(grow(net, len(tokenizer), NEW[:5]), larger, question)["answer"], before)


def test_old_words_keep_their_numbers(old: tuple[VQAModel, VQAProcessor]) -> None:
    tokenizer = old[1].tokenizer
    grown = grow_tokenizer(tokenizer, ["Zebra zebra okapi table"], min_count=2)
    assert grown.get_vocab() == tokenizer.get_vocab() | {"zebra": len(tokenizer)}
    assert grown.pad_token_id == 0 and grown.unk_token_id == 1


def test_words_are_never_lost(old: tuple[VQAModel, VQAProcessor]) -> None:
    with pytest.raises(ValueError, match="words do not fit"):
        grow(old[0], 3, NEW)


def test_a_grown_model_is_a_complete_checkpoint(old: tuple[VQAModel, VQAProcessor], tmp_path: Path) -> None:
    net, processor = old
    net.config.temperature = 2.5
    grown = grow(net, net.config.vocab_size, NEW)
    save_checkpoint(tmp_path / "grown", grown, processor)
    read, _ = load_checkpoint(tmp_path / "grown")
    assert read.config.answers == NEW and read.config.label2id["okapi"] == 6
    assert read.config.temperature == 1.0  # it no longer fits
