import pytest
import torch

from vqa.model.fusion import Fusion


def test_concat_is_a_layer_over_the_concatenation():
    fusion = Fusion("concat", 4, 3, 5)
    a, b = torch.randn(7, 4), torch.randn(7, 3)
    matrix = torch.cat((fusion.project_a.weight, fusion.project_b.weight), 1)
    expected = (torch.cat((a, b), 1) @ matrix.T + fusion.project_a.bias).relu()
    assert torch.allclose(fusion(a, b), expected, atol=1e-6)
    assert fusion.project_b.bias is None


def test_product_multiplies_the_two_sides():
    fusion = Fusion("product", 4, 3, 5)
    a, b = torch.randn(7, 4), torch.randn(7, 3)
    left = (a @ fusion.project_a.weight.T + fusion.project_a.bias).relu()
    right = (b @ fusion.project_b.weight.T + fusion.project_b.bias).relu()
    assert torch.allclose(fusion(a, b), left * right, atol=1e-6)


@pytest.mark.parametrize("kind", ["product", "concat"])
def test_sides_can_be_computed_once_and_joined_later(kind):
    fusion = Fusion(kind, 4, 3, 5).eval()
    grid, question = torch.randn(2, 9, 4), torch.randn(2, 3)
    joined = fusion.join(fusion.side_a(grid), fusion.side_b(question)[:, None])
    assert joined.shape == (2, 9, 5)
    assert torch.allclose(joined[1, 6], fusion(grid[1, 6], question[1]), atol=1e-6)


def test_dropout_is_at_the_inputs_and_only_in_training():
    fusion = Fusion("product", 4, 3, 5, dropout=1.0)
    a, b = torch.randn(2, 4), torch.randn(2, 3)
    bare = fusion.project_a.bias.relu() * fusion.project_b.bias.relu()
    assert torch.allclose(fusion.train()(a, b), bare.expand(2, 5))
    assert not torch.allclose(fusion.eval()(a, b), bare.expand(2, 5))
