import pytest
import torch

from tests.data.refusal import refusal
from vqa.model.image_encoder import ImageEncoder

LITE = "timm:tf_efficientnet_lite0"


def test_tiny_by_hand():
    encoder = ImageEncoder("tiny", 64)
    assert (encoder.height, encoder.width, encoder.channels) == (8, 8, 64)
    assert encoder.training
    assert encoder.cnn[1].running_mean.eq(0).all() and encoder.cnn[1].num_batches_tracked == 0  # probing left them
    x = torch.randn(2, 3, 64, 64)
    grid = encoder.eval()(x)
    weights = {name.removeprefix("cnn."): value for name, value in encoder.state_dict().items()}
    for layer in (0, 4, 8):
        x = torch.nn.functional.conv2d(x, weights[f"{layer}.weight"], padding=1)
        x = x / (1 + 1e-5) ** 0.5  # a fresh batch norm has mean 0, variance 1
        x = torch.nn.functional.max_pool2d(x.relu(), 2)
    x = (torch.nn.functional.conv2d(x, weights["12.weight"], padding=1) / (1 + 1e-5) ** 0.5).relu()
    # place n is row n // 8, column n % 8
    expected = torch.stack([x[:, :, n // 8, n % 8] for n in range(64)], 1)
    torch.testing.assert_close(grid, expected, atol=1e-5, rtol=1e-5)


def test_torchvision_backbone_is_cut_before_its_pooling():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    encoder = ImageEncoder("torchvision:resnet18", 96).eval()
    torch.manual_seed(0)
    net = resnet18(weights=None).eval()
    kept = []
    net.layer4.register_forward_hook(lambda module, inputs, output: kept.append(output))
    pixels = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        net(pixels)
        grid = encoder(pixels)
    assert (encoder.height, encoder.width, encoder.channels) == (3, 3, 512)
    assert torch.allclose(grid, kept[0].flatten(2).transpose(1, 2), atol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "channels"),
    [("torchvision:mobilenet_v2", 1280), ("torchvision:squeezenet1_1", 512), ("timm:resnet10t", 512)],
)
def test_other_backbones(backbone, channels):
    encoder = ImageEncoder(backbone, 64).eval()
    assert encoder.channels == channels
    with torch.no_grad():
        assert encoder(torch.zeros(1, 3, 64, 64)).shape == (1, encoder.height * encoder.width, channels)


def test_lite0_is_timm_s():
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model(LITE.removeprefix("timm:"), num_classes=0, global_pool="")
    encoder = ImageEncoder(LITE, 64)
    ours = encoder.cnn.net
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, fresh in ours.named_parameters():
        if fresh.numel() > 5000:
            assert float(fresh.std()) == pytest.approx(float(theirs.get_parameter(name).std()), rel=0.1), name
    for value in theirs.state_dict().values():  # statistics and weights that no symmetry hides
        if value.ndim == 1:
            value.uniform_(0.5, 1.5)
    ours.load_state_dict(theirs.state_dict())
    for size in (64, 75):
        pixels = torch.randn(2, 3, size, size)
        assert torch.allclose(ours.eval().forward_features(pixels), theirs.eval().forward_features(pixels), atol=1e-5)
    assert torch.allclose(ours.train().forward_features(pixels), theirs.train().forward_features(pixels), atol=1e-4)
    assert torch.allclose(ours.blocks[3][1].bn2.running_var, theirs.blocks[3][1].bn2.running_var)


def test_channels_last_networks_are_turned():
    """MambaOut, like Swin, gives (B, h, w, D); the channels are those that timm says, wherever they stand."""
    encoder = ImageEncoder("timm:mambaout_femto", 224)
    assert (encoder.height, encoder.width, encoder.channels) == (7, 7, encoder.cnn.net.num_features)


@pytest.mark.parametrize(
    ("backbone", "size", "message"),
    [
        ("vgg", 64, "not one of 'timm:<name>'"),
        ("timm:", 64, "not one of 'timm:<name>'"),
        ("jax:resnet18", 64, "not one of 'timm:<name>'"),
        ("timm:tf_efficientnet_lite9", 64, "timm has no model 'tf_efficientnet_lite9'; near names: tf_"),
        ("timm:zzz", 64, "near names: none"),
        ("torchvision:resnet19", 64, "torchvision has no model 'resnet19'"),
        ("torchvision:mnasnet0_5", 64, "cannot be cut before its pooling"),
        ("timm:vit_tiny_patch16_224", 224, "gives no spatial grid"),
        ("tiny", 4, "cannot read 4-pixel photos"),
    ],
)
def test_a_backbone_that_cannot_be_built_is_reported(backbone, size, message):
    assert message in refusal(ImageEncoder, backbone, size)
