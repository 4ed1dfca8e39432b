"""Members that are joined answer as the weighted sum of them does."""

import pytest
import torch
from torch import Tensor

from train.own.members import Shares, between, can_join, continued, fresh, join
from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel


def model(**changes: object) -> VQAModel:
    sizes = {"embedding_size": 8, "hidden_size": 8, "attention_size": 16, "fusion_size": 32, "blind_size": 16}
    torch.manual_seed(0)
    answers = dict(enumerate(["yes", "no", "2"]))
    config = {"backbone": "tiny", "image_size": 32, "vocab_size": 9, "image_only_size": 8, "id2label": answers}
    return VQAModel(VQAConfig(**config | sizes | changes)).eval()


@pytest.fixture
def inputs() -> dict[str, Tensor]:
    torch.manual_seed(1)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]])
    ids = torch.randint(2, 9, (3, 4)) * mask
    return {"input_ids": ids, "attention_mask": mask, "photo_index": torch.tensor([0, 1, 1])}


def sum_of(parts: list[Tensor], factors: list[float]) -> Tensor:
    return sum((factor * part for factor, part in zip(factors, parts, strict=True)), torch.zeros(3, 3))


@pytest.mark.parametrize(
    "changes",
    [{}, {"fusion": "concat"}, {"recurrent_cell": "gru", "coordinates": True}, {"recurrent_cell": "rnn"}],
    ids=str,
)
@torch.no_grad()
def test_the_joint_model_is_the_weighted_sum(changes: dict[str, object], inputs: dict[str, Tensor]) -> None:
    net = model(**changes)
    members = [continued(net), fresh(net, 1).eval(), fresh(net, 2).eval()]
    shares = [Shares(0.5, 0.2, 0.3, 0.5), Shares(0.3, 0.1, 0.2, 0.3), Shares(0.4, 0.0, 0.6, 0.2)]
    joint = join(net, members, shares)
    grid = torch.randn(2, 16, net.image_encoder.channels)
    answers, guesses, images = zip(*(member(net.prepare(grid), **inputs) for member in members), strict=True)
    expected = sum_of(answers, [s.answer for s in shares]) + sum_of(guesses, [s.blind for s in shares])
    output = joint(grid=grid, **inputs)
    torch.testing.assert_close(output.logits, expected)
    torch.testing.assert_close(joint.blind_logits(output.question), sum_of(guesses, [s.guess for s in shares]))
    image_only = joint.image_only_logits(grid)[inputs["photo_index"]]
    torch.testing.assert_close(image_only, sum_of(images, [s.image for s in shares]))
    own = net(grid=grid, **inputs)
    assert output.attention.shape == (3, 4, 4, 4)
    torch.testing.assert_close(output.attention[:, :2], own.attention)
    torch.testing.assert_close(output.word_weights, own.word_weights)


@pytest.mark.parametrize("changes", [{"looks": 2, "glimpses": 1}, {"attention": "none", "glimpses": 1}], ids=str)
@torch.no_grad()
def test_any_model_is_joined_with_its_own_guess(changes: dict[str, object], inputs: dict[str, Tensor]) -> None:
    net = model(**changes)
    assert not can_join(net.config)
    joint = join(net, [continued(net)], [Shares(0.7, 0.3, 1.0, 1.0)])
    grid = torch.randn(2, 16, net.image_encoder.channels)
    own = net(grid=grid, **inputs)
    expected = 0.7 * own.logits + 0.3 * net.blind_logits(own.question)
    torch.testing.assert_close(joint(grid=grid, **inputs).logits, expected)


def test_a_fresh_member_knows_which_words_are_alike() -> None:
    """Its word vectors are the principal components of the known ones: distances keep their order."""
    net = model()
    with torch.no_grad():
        words = net.question_encoder.embedding.weight
        words[3] = words[2] + 0.01
    vectors = fresh(net, 0).question_encoder.embedding.weight
    assert (vectors[3] - vectors[2]).norm() < 0.1 * (vectors[4] - vectors[2]).norm()
    assert not vectors[0].any()


def test_a_member_leaves_its_model_as_it_is(inputs: dict[str, Tensor]) -> None:
    net = model()
    member = continued(net)
    with torch.no_grad():
        member.answer_head[1].weight.zero_()
    assert net.answer_head[1].weight.any()


def test_a_member_between_two_is_on_the_line_that_joins_them() -> None:
    start, learned = continued(model()), continued(model())
    with torch.no_grad():
        for weights in learned.parameters():
            weights.add_(torch.randn_like(weights))
    for share in (0.25, 1.0):
        found = between(start, learned, share).parameters()
        for old, new, weights in zip(start.parameters(), learned.parameters(), found, strict=True):
            torch.testing.assert_close(weights, old + share * (new - old))
