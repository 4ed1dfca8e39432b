"""Weight normalisation changes how a layer learns, never what it computes."""

import torch
from torch import nn

from train.fit import JOINING
from train.fitting.weight_norm import add_weight_norm, fold_weight_norm
from vqa.model.model import VQAModel


def logits(net: VQAModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(2, 9, (4, 3), generator=generator)
    grid = torch.randn(4, net.image_encoder.height * net.image_encoder.width, net.image_encoder.channels)
    return net(ids, torch.ones_like(ids), grid=grid.copy_(torch.randn(grid.shape, generator=generator))).logits


def test_every_linear_layer_of_the_parts_and_no_other_is_normalised(net: VQAModel) -> None:
    linear = {f"{name}.weight" for name, module in net.named_modules() if isinstance(module, nn.Linear)}
    add_weight_norm(net, JOINING)
    kept = {name for name, _ in net.named_parameters()}
    assert linear - kept == {name for name in linear if name.split(".")[0] in JOINING} != set()


def test_the_model_computes_the_same_with_it_and_folded(net: VQAModel) -> None:
    names, before = list(net.state_dict()), logits(net)
    add_weight_norm(net, JOINING)
    torch.testing.assert_close(logits(net), before)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    logits(net).square().sum().backward()
    optimizer.step()
    learned = logits(net)
    assert not torch.allclose(learned, before)
    fold_weight_norm(net)
    torch.testing.assert_close(logits(net), learned)
    assert sorted(net.state_dict()) == sorted(names)


def test_length_and_direction_are_apart(net: VQAModel) -> None:
    """w = g v / |v| with one g a matrix, as Salimans & Kingma write it."""
    add_weight_norm(net, ("answer_head",))
    length, direction = (p for name, p in net.answer_head[1].named_parameters() if "original" in name)
    with torch.no_grad():
        length.fill_(3.0)
    assert length.numel() == 1
    torch.testing.assert_close(net.answer_head[1].weight, 3 * direction / direction.norm())
    torch.testing.assert_close(net.answer_head[1].weight.norm(), torch.tensor(3.0))


def test_folding_a_plain_model_changes_nothing(net: VQAModel) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fold_weight_norm(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
