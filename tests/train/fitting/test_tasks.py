"""What is learned in each phase, and by which parts."""

import pytest
import torch
from torch import Tensor

from train.fitting.tasks import Answering, Objective, SideHeads, Text
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor

MODEL = ("image_encoder", "question_encoder", "attention", "fusion", "answer_head")


@pytest.fixture
def batch() -> dict[str, Tensor]:
    """Five questions about two photos; the same question about the other photo has another answer."""
    generator = torch.Generator().manual_seed(0)
    return {
        "input_ids": torch.tensor([[2, 3, 4], [2, 3, 0], [5, 0, 0], [2, 3, 4], [5, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 0, 0]]),
        "photo_index": torch.tensor([0, 0, 0, 1, 1]),
        "labels": torch.eye(3)[[0, 1, 2, 1, 0]],
        "squares": torch.randint(0, 255, (2, 16, 16, 3), dtype=torch.uint8, generator=generator),
    }


def make(kind: type[Objective], net: VQAModel) -> tuple[Objective, tuple[str, ...]]:
    parts = {Answering: MODEL, Text: ("question_encoder", "blind_head"), SideHeads: ("blind_head", "image_only_head")}
    return kind(net, VQAImageProcessor(16), parts[kind]), parts[kind]


def suited(kind: type[Objective], batch: dict[str, Tensor]) -> dict[str, Tensor]:
    names = ("input_ids", "attention_mask", "labels") if kind is Text else batch
    return {name: batch[name] for name in names}


@pytest.mark.parametrize("kind", [Answering, Text, SideHeads])
def test_only_the_named_parts_learn(net: VQAModel, batch: dict[str, Tensor], kind: type[Objective]) -> None:
    objective, parts = make(kind, net)
    objective.train()
    before = {name: value.clone() for name, value in net.image_encoder.named_buffers()}
    objective(**suited(kind, batch)).backward()
    for name, child in net.named_children():
        gradients = [p.grad for p in child.parameters()]
        assert child.training == (name in parts), name
        assert {p.requires_grad for p in child.parameters()} == {name in parts}, name
        assert any(g is not None and g.abs().sum() > 0 for g in gradients) == (name in parts), name
        assert name in parts or all(g is None for g in gradients), name
    for name, value in net.image_encoder.named_buffers():  # a frozen encoder's running statistics stay
        assert torch.equal(value, before[name]) == ("image_encoder" not in parts), name


def test_evaluation_turns_every_part_off(net: VQAModel) -> None:
    objective, _ = make(Answering, net)
    objective.train().eval()
    assert not any(module.training for module in objective.modules())


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_the_model_learns_a_few_questions_by_heart(net: VQAModel, batch: dict[str, Tensor], loss: str) -> None:
    net.config.loss = loss
    objective, _ = make(Answering, net)
    objective.train()
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for _ in range(60):
        value = objective(**batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < losses[0] / 10


def test_side_heads_add_the_losses_of_two_guesses(net: VQAModel, batch: dict[str, Tensor]) -> None:
    objective, _ = make(SideHeads, net)
    objective.eval()
    pixels = VQAImageProcessor(16).normalize(batch["squares"])
    grid = net.encode_image(pixels)
    question = net.question_encoder(batch["input_ids"], batch["attention_mask"]).vector
    blind = net.loss(net.blind_logits(question), batch["labels"])
    seen = net.loss(net.image_only_logits(grid[batch["photo_index"]]), batch["labels"])
    torch.testing.assert_close(objective(**batch), blind + seen)
    stored = {name: value for name, value in batch.items() if name != "squares"}
    torch.testing.assert_close(objective(**stored, grid=grid), blind + seen)


def test_photos_change_in_training_only(net: VQAModel, batch: dict[str, Tensor]) -> None:
    objective, _ = make(Answering, net)
    objective.augment = True
    plain = VQAImageProcessor(16).normalize(batch["squares"])
    torch.manual_seed(0)
    assert not torch.equal(objective.train().pixels(batch["squares"]), plain)
    assert torch.equal(objective.eval().pixels(batch["squares"]), plain)


def test_teachers_share_the_loss(net: VQAModel, batch: dict[str, Tensor]) -> None:
    objective, _ = make(Answering, net)
    objective.eval()
    asked = {name: batch[name] for name in ("input_ids", "attention_mask", "photo_index")}
    asked["grid"] = objective.grid(squares=batch["squares"])
    logits, alone = net(**asked).logits, objective(**batch)
    objective.trust = 0.25
    taught = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)).softmax(-1)
    wanted = -(taught * logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(objective(**batch, taught=taught), 0.75 * alone + 0.25 * wanted)
