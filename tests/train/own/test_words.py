"""Answers of similar words learn together."""

from pathlib import Path

import pytest
import torch
from torch import nn

from train.fitting.surgery import HEADS, extend
from train.own.members import continued, fresh
from train.own.words import SharedRows, answer_vectors, join_rows, share_rows, start_new_answers
from vqa.checkpoint.load import load_checkpoint
from vqa.data.vocabulary import extend_tokenizer
from vqa.model.model import VQAModel
from vqa.model.processing import VQAProcessor

NEW = ("green", "a red", "quokka", "quokka red")


@pytest.fixture
def larger(tiny_checkpoint: Path) -> tuple[VQAModel, VQAProcessor, int]:
    """The tiny model with further answers, and how many it had before."""
    net, processor = load_checkpoint(tiny_checkpoint)
    tokenizer = extend_tokenizer(processor.tokenizer, ["quokka green", *net.config.answers])
    extended = extend(net, len(tokenizer), (*net.config.answers, *NEW)).eval()
    names = tokenizer.get_vocab()
    torch.manual_seed(0)
    with torch.no_grad():
        words = extended.question_encoder.embedding.weight
        known = torch.tensor(sorted(number for word, number in names.items() if number > 1 and word != "quokka"))
        words[known] = torch.randn(len(known), words.shape[1])
        words[names["green"]] = words[names["red"]] + 0.01
    return extended, VQAProcessor(processor.image_processor, tokenizer), len(net.config.answers)


def test_answers_of_similar_words_have_similar_vectors(larger: tuple[VQAModel, VQAProcessor, int]) -> None:
    net, processor, _ = larger
    vectors = dict(zip(net.config.answers, answer_vectors(net, processor), strict=True))
    assert not vectors["quokka"].any()
    torch.testing.assert_close(vectors["quokka red"], vectors["red"])
    torch.testing.assert_close(vectors["red"].norm(), torch.tensor(1.0))
    assert vectors["red"] @ vectors["green"] > 0.99 > 0.9 > vectors["red"] @ vectors["yes"]


def test_a_new_answer_starts_like_the_similar_ones(larger: tuple[VQAModel, VQAProcessor, int]) -> None:
    net, processor, count = larger
    before = net.answer_head[1].weight.detach().clone()
    start_new_answers(net, torch.zeros(len(net.config.answers), 8), count)  # no word is known
    torch.testing.assert_close(net.answer_head[1].weight, before)
    start_new_answers(net, answer_vectors(net, processor), count)
    rows = dict(zip(net.config.answers, net.answer_head[1].weight, strict=True))
    torch.testing.assert_close(net.answer_head[1].weight[:count], before[:count])
    torch.testing.assert_close(rows["quokka"], before[:count].mean(0))
    assert (rows["green"] - rows["red"]).norm() < 0.2 * (rows["green"] - rows["yes"]).norm()


def test_joined_rows_give_the_same_logits(larger: tuple[VQAModel, VQAProcessor, int]) -> None:
    torch.manual_seed(4)  # of some draws hardly any hidden unit of the small answer head is active
    net, processor, _ = larger
    member, names = continued(net).eval(), list(continued(net).state_dict())
    grid, ids = torch.randn(1, *net.prepare(torch.randn(1, 16, net.image_encoder.channels)).shape[1:]), [[2, 3]]
    inputs = grid, torch.tensor(ids), torch.ones(1, 2, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    start = member(*inputs)
    share_rows(member, answer_vectors(net, processor))
    for a, b in zip(start, member(*inputs), strict=True):
        torch.testing.assert_close(a, b)
    for head in HEADS:
        nn.init.normal_(getattr(member, head)[-1].shared)
    learned = member(*inputs)
    join_rows(member)
    for a, b, c in zip(start, learned, member(*inputs), strict=True):
        torch.testing.assert_close(b, c, rtol=1e-4, atol=1e-4)
        assert (a - b).abs().max() > 0.01
    assert list(member.state_dict()) == names


def test_a_new_member_starts_with_shared_rows(larger: tuple[VQAModel, VQAProcessor, int]) -> None:
    net, processor, _ = larger
    for member, starts in ((continued(net), False), (fresh(net, 0), True)):
        share_rows(member, answer_vectors(net, processor))
        assert bool(member.answer_head[-1].shared.any()) is starts


def test_a_similar_answer_learns_too() -> None:
    """After a step for answer 0, the logit of answer 1, which has nearly the same words, has grown."""
    layer = SharedRows(nn.Linear(8, 3), nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])))
    x, optimizer = torch.randn(1, 8), torch.optim.SGD(layer.parameters(), lr=0.1)
    before = layer(x)
    nn.functional.cross_entropy(before, torch.tensor([0])).backward()
    optimizer.step()
    grown = (layer(x) - before)[0]
    assert grown[0] > grown[1] > 0 > grown[2]
