import pytest
import torch
from torch.nn import functional as F

from vqa.model.attention import SpatialAttention
from vqa.model.configuration import VQAConfig


def make(kind, **settings) -> SpatialAttention:
    torch.manual_seed(0)
    settings |= {"hidden_size": 8, "attention_size": 12, "glimpses": 2 if kind == "soft" else 1, "dropout": 0.0}
    return SpatialAttention(VQAConfig(attention=kind, **settings), 6)


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
    """In any order, some photos asked about often and one never: as if each question came alone; gradients add up."""
    attention, index = make(kind, fusion=fusion).eval(), torch.tensor([2, 0, 2, 3, 2, 0, 3])
    grid, question = torch.randn(4, 9, 6, requires_grad=True), torch.randn(7, 8)
    glimpses, weights = attention(grid, question, index)
    each = [attention(grid[photo : photo + 1], question[i : i + 1]) for i, photo in enumerate(index)]
    alone = [torch.cat(parts) for parts in zip(*each, strict=True)]
    torch.testing.assert_close([glimpses, weights], alone, atol=1e-6, rtol=1e-5)
    shared, added = (torch.autograd.grad(z.square().sum(), grid) for z in (glimpses, alone[0]))
    torch.testing.assert_close(shared, added, atol=1e-5, rtol=1e-5)
