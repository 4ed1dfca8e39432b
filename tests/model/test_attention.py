import pytest
import torch
from torch.nn import functional as F

from vqa.model.attention import SpatialAttention
from vqa.model.configuration import VQAConfig


def make(kind: str, channels: int = 6, **settings) -> SpatialAttention:
    torch.manual_seed(0)
    defaults = {
        "hidden_size": 8,
        "attention_size": 12,
        "glimpses": 2 if kind == "soft" else 1,
        "dropout": 0.0,
    }
    return SpatialAttention(VQAConfig(attention=kind, **(defaults | settings)), channels)


def test_hard_attention_passes_the_gradient_of_the_soft_weights():
    """Forward: one place, that of the largest s + gumbel. Backward: as if they were softmax(s + gumbel)."""
    attention = make("hard").train()
    grid, question, towards = torch.randn(3, 16, 6), torch.randn(3, 8), torch.randn(3, 1, 16)

    torch.manual_seed(5)
    _, weights = attention(grid, question)
    (weights * towards).sum().backward()
    got = attention.score.weight.grad.clone()

    scores = (attention.fuse(grid, question[:, None]) @ attention.score.weight.T).transpose(1, 2)
    torch.manual_seed(5)
    gumbel = -torch.empty_like(scores).exponential_().log()
    soft = (scores + gumbel).softmax(-1)
    assert torch.allclose(weights, F.one_hot(soft.argmax(-1), 16).float(), atol=1e-6)
    attention.zero_grad()
    (soft * towards).sum().backward()
    assert torch.allclose(got, attention.score.weight.grad, atol=1e-6)
    assert got.abs().sum() > 0


def test_hard_attention_samples_in_proportion_to_the_soft_weights():
    """2,000 draws for one question: frequencies within 4 standard errors of softmax(scores)."""
    attention = make("hard").train()
    grid, question = torch.randn(1, 5, 6), torch.randn(1, 8)
    with torch.no_grad():
        attention.score.weight.mul_(3)
        scores = (attention.fuse(grid, question[:, None]) @ attention.score.weight.T).squeeze(-1)
        expected = scores.softmax(-1)[0]
        _, draws = attention(grid, question.expand(2000, -1), torch.zeros(2000, dtype=torch.long))
    error = (expected * (1 - expected) / 2000).sqrt()
    assert expected.max() < 0.9
    assert ((draws.mean((0, 1)) - expected).abs() < 4 * error + 1e-4).all()


@pytest.mark.parametrize("fusion", ["product", "concat"])
@pytest.mark.parametrize("kind", ["soft", "hard", "none"])
def test_questions_about_shared_photos_one_by_one(kind, fusion):
    """In any order, some photos asked about often and one never: as if each question came alone."""
    attention = make(kind, fusion=fusion).eval()
    grid, question, index = torch.randn(4, 9, 6), torch.randn(7, 8), torch.tensor([2, 0, 2, 3, 2, 0, 3])
    glimpses, weights = attention(grid, question, index)
    for i, photo in enumerate(index.tolist()):
        alone = attention(grid[photo : photo + 1], question[i : i + 1])
        assert torch.allclose(glimpses[i], alone[0][0], atol=1e-6)
        assert torch.allclose(weights[i], alone[1][0], atol=1e-6)


@pytest.mark.parametrize("fusion", ["product", "concat"])
def test_gradients_of_shared_photos_add_up(fusion):
    attention, index = make("soft", fusion=fusion).train(), torch.tensor([1, 0, 1])
    grid, question = torch.randn(2, 9, 6, requires_grad=True), torch.randn(3, 8)
    attention(grid, question, index)[0].square().sum().backward()
    shared, grid.grad = grid.grad, None
    for i, photo in enumerate(index.tolist()):
        attention(grid[photo : photo + 1], question[i : i + 1])[0].square().sum().backward()
    assert torch.allclose(shared, grid.grad, atol=1e-5)
