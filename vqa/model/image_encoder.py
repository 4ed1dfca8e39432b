"""A photo becomes a grid of vectors: any CNN by name, cut before its pooling."""

import re
from typing import Any

import torch
from torch import Tensor, nn

from .errors import InputError


class ImageEncoder(nn.Module):
    """`(B, 3, S, S)` pixels, normalised, to a grid `(B, N, D)`: N = h * w places, row by row, D channels.

    Attributes `height`, `width` and `channels` say h, w and D. Raises `InputError` for an unknown name or a
    network that gives no spatial grid.
    """

    def __init__(self, backbone: str, image_size: int):
        super().__init__()
        self.cnn = build_cnn(backbone)
        self.height, self.width, self.channels = probe(self.cnn, backbone, image_size)

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.cnn(pixel_values).flatten(2).transpose(1, 2)

    def stages(self) -> list[nn.Module]:
        """The CNN's parts from the pixels on: its layers, and in a sequence of blocks each block."""
        net = self.cnn.net if isinstance(self.cnn, TimmGrid) else self.cnn
        parts = [part.children() if isinstance(part, nn.Sequential) else (part,) for part in net.children()]
        return [stage for part in parts for stage in part]


class TimmGrid(nn.Module):
    """A timm network without its pooling and classifier: `(B, 3, S, S)` to `(B, D, h, w)`."""

    def __init__(self, name: str):
        super().__init__()
        import timm

        try:
            self.net: Any = timm.create_model(name, pretrained=False, num_classes=0, global_pool="")
        except RuntimeError as error:
            near = ", ".join(timm.list_models(f"*{name[:8]}*")[:5])
            raise InputError(f"timm has no model '{name}'; near names: {near or 'none'}.") from error

    def forward(self, pixel_values: Tensor) -> Tensor:
        grid = self.net.forward_features(pixel_values)
        channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"  # such as Swin's
        return grid.permute(0, 3, 1, 2) if channels_last else grid


class TinyCNN(nn.Sequential):
    """A small CNN from scratch for drawn worlds of 64 to 128 pixels: `(B, 3, S, S)` to `(B, D, S/8, S/8)`."""

    def __init__(self, channels: tuple[int, ...] = (24, 48, 64)):
        layers: list[nn.Module] = []
        for before, after in zip((3, *channels), (*channels, channels[-1]), strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        super().__init__(*layers[:-1])


def build_cnn(backbone: str) -> nn.Module:
    """The network that `backbone` names, with fresh weights, as `(B, 3, S, S)` to `(B, D, h, w)`."""
    family, _, name = backbone.partition(":")
    if backbone == "tiny":
        return TinyCNN()
    if family == "timm" and re.fullmatch(r"[\w.]+", name):  # timm would look for 'hf-hub:…' on the Hub
        return TimmGrid(name)
    if family == "torchvision" and name:
        from torchvision import models

        try:
            net = models.get_model(name, weights=None)
        except ValueError as error:
            raise InputError(f"torchvision has no model '{name}'; see torchvision.models.list_models().") from error
        return without_classifier(net)
    raise InputError(f"The backbone '{backbone}' is not one of 'timm:<name>', 'torchvision:<name>' or 'tiny'.")


def without_classifier(net: Any) -> nn.Module:
    """A torchvision network up to its pooling."""
    return net.features if hasattr(net, "features") else nn.Sequential(*list(net.children())[:-2])


def probe(cnn: nn.Module, backbone: str, image_size: int) -> tuple[int, int, int]:
    """The grid's height, width and channels, asked of the network itself."""
    parameter = next(cnn.parameters(), None)
    if parameter is None:
        raise InputError(f"The backbone '{backbone}' cannot be cut before its pooling; name another, such as a ResNet.")
    training = cnn.training
    with torch.no_grad():  # eval: a blank photo must not touch the running statistics
        try:
            shape = cnn.eval()(torch.zeros(1, 3, image_size, image_size, device=parameter.device)).shape
        except (RuntimeError, AssertionError, AttributeError, TypeError) as error:
            reason = str(error).split("\n")[0].rstrip(".")
            raise InputError(
                f"The backbone '{backbone}' cannot read {image_size}-pixel photos ({reason}); "
                "choose another backbone or image_size."
            ) from error
    cnn.train(training)
    if len(shape) != 4:
        raise InputError(f"The backbone '{backbone}' gives no spatial grid (its output has {len(shape)} dimensions).")
    return shape[2], shape[3], shape[1]
