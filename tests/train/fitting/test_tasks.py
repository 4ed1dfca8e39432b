"""What is learned in each task, and by which parts."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.fitted import make_task
from tests.train.fitting.few import learn, questions
from train.fitting.batches import Questions
from train.fitting.tasks import AnswerTask, BaselineTask, QuestionTask, TextTask, lower_yes
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor


@pytest.fixture
def batch() -> dict[str, Tensor]:
    return questions()


@pytest.mark.parametrize("kind", [AnswerTask, TextTask, BaselineTask])
def test_only_the_named_parts_learn(net: VQAModel, batch: dict[str, Tensor], kind: type[QuestionTask]) -> None:
    task = make_task(kind, net).train()
    names = ("input_ids", "attention_mask", "labels") if kind is TextTask else batch
    before = {name: value.clone() for name, value in net.image_encoder.named_buffers()}
    task(**{name: batch[name] for name in names}).backward()
    for name, child in net.named_children():
        gradients = [p.grad for p in child.parameters()]
        assert child.training == (name in task.parts), name
        assert {p.requires_grad for p in child.parameters()} == {name in task.parts}, name
        assert any(g is not None and g.abs().sum() > 0 for g in gradients) == (name in task.parts), name
        assert name in task.parts or all(g is None for g in gradients), name
    for name, value in net.image_encoder.named_buffers():  # a frozen encoder's running statistics stay
        assert torch.equal(value, before[name]) == ("image_encoder" not in task.parts), name
    task.eval()
    assert not any(module.training for module in task.modules())


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_the_model_fits_a_few_questions(net: VQAModel, batch: dict[str, Tensor], loss: str) -> None:
    net.config.loss = loss
    losses = learn(make_task(AnswerTask, net).train(), batch)
    assert losses[-1] < losses[0] / 10


def test_the_baselines_add_their_losses(net: VQAModel, batch: dict[str, Tensor]) -> None:
    task = make_task(BaselineTask, net).eval()
    grid = net.encode_image(VQAImageProcessor(16).normalize(batch["squares"]))
    question = net.question_encoder(batch["input_ids"], batch["attention_mask"]).vector
    blind = net.loss(net.blind_logits(question), batch["labels"])
    image_only = net.loss(net.image_only_logits(grid[batch["photo_index"]]), batch["labels"])
    torch.testing.assert_close(task(**batch), blind + image_only)
    stored = {name: value for name, value in batch.items() if name != "squares"}
    torch.testing.assert_close(task(**stored, grid=grid), blind + image_only)


@pytest.mark.parametrize(("epochs", "patience"), [(1, 2), (10, 2), (40, 8)])
def test_the_patience_of_the_baselines_follows_their_epochs(net: VQAModel, epochs: int, patience: int) -> None:
    assert make_task(BaselineTask, net, head_epochs=epochs).patience == patience


def test_photos_are_augmented_in_training_only(net: VQAModel, batch: dict[str, Tensor]) -> None:
    task = make_task(AnswerTask, net, augment=True)
    plain = VQAImageProcessor(16).normalize(batch["squares"])
    torch.manual_seed(0)
    assert not torch.equal(task.train().pixels(batch["squares"]), plain)
    assert torch.equal(task.eval().pixels(batch["squares"]), plain)


def test_the_image_encoder_has_its_own_learning_rate(net: VQAModel) -> None:
    task = make_task(AnswerTask, net, encoder_rate=0.1)
    shares = {name: task.rate_share(name) for name, _ in task.named_parameters()}
    assert {name for name, share in shares.items() if share != 1.0} == {
        name for name in shares if name.startswith("net.image_encoder.")
    }


def test_soft_targets_share_the_loss(net: VQAModel, batch: dict[str, Tensor]) -> None:
    task = make_task(AnswerTask, net, trust=0.25).eval()
    asked = {name: batch[name] for name in ("input_ids", "attention_mask", "photo_index")}
    logits = net(**asked, grid=task.grid(squares=batch["squares"])).logits
    targets = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)).softmax(-1)
    expected = -(targets * logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(task(**batch, soft_targets=targets), 0.75 * task(**batch) + 0.25 * expected)


def test_yes_is_lowered_for_questions_for_presence(net: VQAModel) -> None:
    """The change of its row is the least-squares solution of the same problem, written as rows of a matrix."""
    generator = np.random.default_rng(0)
    number = 40
    task = make_task(AnswerTask, net, augment=True)  # which it must not do here
    task.data.train = Questions(
        photos=["a.png", "b.png"],
        photo=generator.integers(2, size=number),
        input_ids=torch.from_numpy(generator.integers(2, 9, (number, 3))),
        lengths=torch.full((number,), 3),
        starts=np.zeros(number + 1, dtype=np.int64),
        labels=np.zeros(0, dtype=np.int64),
        scores=np.zeros(0, dtype=np.float32),
        other_words=torch.arange(9),
        other_answers=torch.arange(3),
        presence=generator.integers(-1, 2, number),
    )
    squares = questions()["squares"]
    task.data.train_photos = lambda rows, _mirror: {"squares": squares[rows]}
    batch = {k: v for k, v in task.data.train.batch(np.arange(number)).items() if k in ("input_ids", "attention_mask")}
    grid = make_task(AnswerTask, net).eval().grid(squares=squares)
    asked = {"grid": grid, "photo_index": torch.from_numpy(task.data.train.photo)} | batch
    before = net(**asked).logits.detach()
    inputs: list[Tensor] = []
    net.answer_head[-1].register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach()))
    net(**asked)
    h = np.concatenate((inputs[0].double().numpy(), np.ones((number, 1))), 1)
    lower_yes(task.train(), 0.5)
    after = net(**asked).logits.detach()

    presence = task.data.train.presence
    weight = np.where(presence == 1, 1 / (presence == 1).sum(), 2 / (presence == 0).sum())[presence >= 0]
    rows = h[presence >= 0] * np.sqrt(weight)[:, None]
    ridge = np.sqrt(0.01 * (rows**2).sum() / h.shape[1]) * np.eye(h.shape[1])
    wanted = np.where(presence == 1, -0.5, 0.0)[presence >= 0] * np.sqrt(weight)
    delta = np.linalg.lstsq(np.vstack((rows, ridge)), np.concatenate((wanted, np.zeros(len(ridge)))), rcond=None)[0]
    torch.testing.assert_close(after[:, 1:], before[:, 1:])
    np.testing.assert_allclose((after - before)[:, 0].numpy(), h @ delta, atol=1e-4)
    assert (after - before)[presence == 1, 0].mean() < (after - before)[presence == 0, 0].mean() - 0.1
