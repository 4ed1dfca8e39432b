import copy

import pytest
import torch
from torch import nn

from vqa.model.image_encoder import Conv, ImageEncoder, Norm
from vqa.runtimes.folded import PHOTOS, FoldedConv, FoldedEncoder, FoldedLite


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    """LiteNet with batch norms that do something."""
    torch.manual_seed(0)
    encoder = ImageEncoder("timm:tf_efficientnet_lite0", 96)
    for module in encoder.modules():
        if isinstance(module, Norm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.3, 1.5)
    return encoder.eval()


@pytest.mark.parametrize("side", [96, 97, 100, 90])  # even and odd at the strides
def test_a_folded_encoder_computes_the_same_grids(encoder: ImageEncoder, side: int) -> None:
    pixels = torch.randn(3, 3, side, side)
    with torch.no_grad():
        expected, grid = encoder(pixels), FoldedEncoder(encoder)(pixels)
    torch.testing.assert_close(grid, expected, rtol=1e-3, atol=1e-3 * float(expected.std()))


def test_a_copy_without_batch_norms_is_made_and_the_encoder_stays_as_it_was(encoder: ImageEncoder) -> None:
    before = copy.deepcopy(encoder.state_dict())
    folded = FoldedEncoder(encoder.train())
    assert not any(isinstance(module, Conv | Norm | nn.BatchNorm2d) for module in folded.modules())
    assert sum(isinstance(module, FoldedConv) for module in folded.modules()) == 49
    assert encoder.training and not folded.training
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    torch.testing.assert_close(encoder.eval().state_dict(), before, rtol=0, atol=0)


def test_many_photos_are_encoded_a_few_at_a_time(encoder: ImageEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    folded, sizes, forward = FoldedEncoder(encoder), [], FoldedLite.forward
    monkeypatch.setattr(FoldedLite, "forward", lambda self, x: sizes.append(len(x)) or forward(self, x))
    pixels = torch.randn(2 * PHOTOS + 1, 3, 32, 32)
    with torch.no_grad():
        grids, each = folded(pixels), torch.cat([folded(photo[None]) for photo in pixels])
    assert sizes[:3] == [PHOTOS, PHOTOS, 1]
    torch.testing.assert_close(grids, each, rtol=1e-3, atol=1e-3)


def test_other_networks_are_as_they_are() -> None:
    encoder = ImageEncoder("tiny", 64)
    with torch.no_grad():
        pixels = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(FoldedEncoder(encoder)(pixels), encoder.eval()(pixels))
