"""Models with more words and answers, and with the question-only head mixed into the answer."""

from pathlib import Path

import pytest
import torch

from train.fitting.surgery import extend, mean_weights
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.save import save_checkpoint
from vqa.data.vocabulary import extend_tokenizer
from vqa.model.configuration import VQAConfig
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAProcessor

NEW = ["yes", "no", "2", "red", "teddy bear", "zebra", "okapi"]
QUESTIONS = ["what is on the table?", "what color is the cat?"]


@pytest.fixture
def old(tiny_checkpoint: Path) -> tuple[VQAModel, VQAProcessor]:
    return load_checkpoint(tiny_checkpoint)


def outputs(net: VQAModel, processor: VQAProcessor, questions: list[str]) -> dict[str, torch.Tensor]:
    """Logits of the whole model and its two baseline heads, about the same random photos."""
    photos = torch.rand(len(questions), 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        grid = net.eval().encode_image(photos)
        found = net(*processor.encode(questions), grid=grid)
        blind, image_only = net.blind_logits(found.question), net.image_only_logits(grid)
    return {"answer": found.logits, "blind": blind, "image_only": image_only}


@pytest.mark.parametrize(
    ("answers", "places"), [(NEW, [0, 1, 2, 3, 4, -1, -1]), (["okapi", "red", "yes"], [-1, 3, 0])], ids=len
)
def test_old_answers_score_as_before_and_new_ones_as_their_mean(
    old: tuple[VQAModel, VQAProcessor], answers: list[str], places: list[int]
) -> None:
    """So that a new one is never the best."""
    net, processor = old
    extended = extend(net, net.config.vocab_size, answers)
    assert extended.config.answers == answers
    after = outputs(extended, processor, QUESTIONS)
    for head, before in outputs(net, processor, QUESTIONS).items():
        expected = torch.cat((before, before.mean(1, keepdim=True)), 1)[:, places]
        torch.testing.assert_close(after[head], expected)


def test_a_new_word_is_an_unknown_word_until_it_is_learned(old: tuple[VQAModel, VQAProcessor]) -> None:
    net, processor = old
    tokenizer = extend_tokenizer(processor.tokenizer, ["what color is the okapi, what's on it?"])
    larger = VQAProcessor(processor.image_processor, tokenizer)
    question = ["what color is the okapi?"]
    assert processor.words(question[0])[1] == ["okapi"] and larger.words(question[0])[1] == []
    before = outputs(net, processor, question)["answer"]
    torch.testing.assert_close(outputs(extend(net, len(tokenizer), NEW[:5]), larger, question)["answer"], before)


def test_old_words_keep_their_numbers(old: tuple[VQAModel, VQAProcessor]) -> None:
    tokenizer = old[1].tokenizer
    extended = extend_tokenizer(tokenizer, ["Zebra zebra okapi table"], min_count=2)
    assert extended.get_vocab() == tokenizer.get_vocab() | {"zebra": len(tokenizer)}
    assert extended.pad_token_id == 0 and extended.unk_token_id == 1


def test_words_are_never_lost(old: tuple[VQAModel, VQAProcessor]) -> None:
    with pytest.raises(ValueError, match="words do not fit"):
        extend(old[0], 3, NEW)


def test_an_extended_model_is_a_complete_checkpoint(old: tuple[VQAModel, VQAProcessor], tmp_path: Path) -> None:
    net, processor = old
    net.config.temperature = 2.5
    extended = extend(net, net.config.vocab_size, NEW)
    save_checkpoint(tmp_path / "extended", extended, processor)
    read, _ = load_checkpoint(tmp_path / "extended")
    assert read.config.answers == NEW and read.config.label2id["okapi"] == 6
    assert read.config.temperature == 1.0  # it no longer fits


def test_the_mean_of_weights(old: tuple[VQAModel, VQAProcessor], tmp_path: Path) -> None:
    """Of checkpoints of one form; batch norms' counts stay whole."""
    net, processor = old
    torch.manual_seed(1)
    other = VQAModel(net.config)
    for name, model in (("a", net), ("b", other)):
        save_checkpoint(tmp_path / name, model, processor)
    mean = mean_weights(net, [str(tmp_path / "a"), str(tmp_path / "b")])
    pairs = zip(net.state_dict().values(), other.state_dict().values(), strict=True)
    for (one, two), (name, value) in zip(pairs, mean.state_dict().items(), strict=True):
        assert value.dtype == one.dtype, name
        torch.testing.assert_close(value, (one + two) / 2 if one.is_floating_point() else one, atol=1e-3, rtol=1e-3)
    larger = VQAModel(VQAConfig(**net.config.to_dict() | {"fusion_size": 32}))
    save_checkpoint(tmp_path / "c", larger, processor)
    with pytest.raises(InputError, match="has other sizes than the others"):
        mean_weights(net, [str(tmp_path / "a"), str(tmp_path / "c")])
