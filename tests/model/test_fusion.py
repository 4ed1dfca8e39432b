import pytest
import torch

from vqa.model.fusion import Fusion


@pytest.mark.parametrize("kind", ["product", "concat"])
def test_equal_to_its_equation_also_in_two_steps(kind):
    """relu(W_a a) ⊙ relu(W_b b), or a layer over the concatenation, of one question with each place of a grid."""
    fusion = Fusion(kind, 4, 3, 5)
    a, b = torch.randn(7, 9, 4), torch.randn(7, 1, 3)
    if kind == "product":
        left, right = (layer(side).relu() for layer, side in ((fusion.project_a, a), (fusion.project_b, b)))
        expected = left * right
    else:
        matrix = torch.cat((fusion.project_a.weight, fusion.project_b.weight), 1)
        expected = (torch.cat((a, b.expand(-1, 9, -1)), -1) @ matrix.T + fusion.project_a.bias).relu()
        assert fusion.project_b.bias is None
    torch.testing.assert_close(fusion(a, b), expected)
    torch.testing.assert_close(fusion.join(fusion.side_a(a), fusion.side_b(b)), expected)


def test_dropout_is_at_the_inputs_and_only_in_training():
    fusion = Fusion("product", 4, 3, 5, dropout=1.0)
    a, b = torch.randn(2, 4), torch.randn(2, 3)
    bare = fusion.project_a.bias.relu() * fusion.project_b.bias.relu()
    assert torch.allclose(fusion.train()(a, b), bare.expand(2, 5))
    assert not torch.allclose(fusion.eval()(a, b), bare.expand(2, 5))
