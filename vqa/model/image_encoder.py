"""A photo becomes a grid of vectors: any CNN by name, cut before its pooling."""

import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import InputError, reason

GRIDS: dict[tuple[str, int], tuple[int, int, int]] = {}  # what `probe` returned, which takes half of the loading time
# Of each stage: blocks, kernel size, stride of the first block, expansion, channels (Tan & Le 2019, table 1).
STAGES = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
STEM, HEAD = 32, 1280


class ImageEncoder(nn.Module):
    """`(B, 3, S, S)` pixels, normalised, to a grid `(B, N, D)`: N = h * w places, row by row, D channels.

    Attributes `height`, `width` and `channels` say h, w and D. Raises `InputError` for an unknown name or a
    network that gives no spatial grid.
    """

    def __init__(self, backbone: str, image_size: int):
        super().__init__()
        self.cnn = build_cnn(backbone)
        if (backbone, image_size) not in GRIDS:
            GRIDS[backbone, image_size] = probe(self.cnn, backbone, image_size)
        self.height, self.width, self.channels = GRIDS[backbone, image_size]

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
        if name == "tf_efficientnet_lite0":  # the same network
            self.net: Any = LiteNet()
            return
        import timm

        try:
            self.net = timm.create_model(name, pretrained=False, num_classes=0, global_pool="")
        except RuntimeError as error:
            near = ", ".join(timm.list_models(f"*{name[:8]}*")[:5])
            raise InputError(f"timm has no model '{name}'; near names: {near or 'none'}.") from error

    def forward(self, pixel_values: Tensor) -> Tensor:
        grid = self.net.forward_features(pixel_values)
        channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"  # such as Swin's
        return grid.permute(0, 3, 1, 2) if channels_last else grid


class LiteNet(nn.Module):
    """timm's `tf_efficientnet_lite0` without pooling and classifier, with the same names of tensors and the same
    results, since importing timm takes seconds: `(B, 3, S, S)` to `(B, 1280, S/32, S/32)`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = Conv(3, STEM, 3, 2), Norm(STEM)
        channels, stages = STEM, []
        for blocks, kernel, stride, expansion, out in STAGES:
            stage: list[nn.Module] = []
            for i in range(blocks):
                stage.append(Block(channels, expansion, kernel, 1 if i else stride, out))
                channels = out
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = Conv(channels, HEAD), Norm(HEAD)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.blocks(self.bn1(self.conv_stem(x)))
        return self.bn2(self.conv_head(x))


class Block(nn.Module):
    """Expand the channels, filter each of them over its neighbourhood, and project to `out` channels; what goes in is
    added where it has the same size."""

    def __init__(self, channels: int, expansion: int, kernel: int, stride: int, out: int):
        super().__init__()
        inner, self.shortcut = expansion * channels, stride == 1 and channels == out
        filtering = Conv(inner, inner, kernel, stride, groups=inner)
        if expansion == 1:
            self.conv_dw, self.bn1 = filtering, Norm(inner)
            self.conv_pw, self.bn2 = Conv(inner, out), Norm(out, act=False)
        else:
            self.conv_pw, self.bn1 = Conv(channels, inner), Norm(inner)
            self.conv_dw, self.bn2 = filtering, Norm(inner)
            self.conv_pwl, self.bn3 = Conv(inner, out), Norm(out, act=False)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.children():
            y = layer(y)
        return x + y if self.shortcut else y


class Conv(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow does: `ceil(S / stride)` a side, the odd pixel behind."""

    def __init__(self, channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(channels, out, kernel, stride, padding, groups=groups, bias=False)
        nn.init.normal_(self.weight, std=(2 * groups / (kernel * kernel * out)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        stride, kernel = self.stride[0], self.kernel_size[0]
        if stride > 1:
            height, width = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(x)


class Norm(nn.BatchNorm2d):
    """Batch normalisation, followed by min(max(x, 0), 6) unless `act` is False."""

    def __init__(self, channels: int, act: bool = True):
        super().__init__(channels, eps=1e-3)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return F.relu6(x, inplace=True) if self.act else x


class TinyCNN(nn.Sequential):
    """A small CNN from scratch for drawn worlds of 64 to 128 pixels: `(B, 3, S, S)` to `(B, D, S/8, S/8)`."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in ((3, 24), (24, 48), (48, 64), (64, 64)):
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
            raise InputError(
                f"The backbone '{backbone}' cannot read {image_size}-pixel photos ({reason(error)}); "
                "choose another backbone or image_size."
            ) from error
    cnn.train(training)
    if len(shape) != 4:
        raise InputError(f"The backbone '{backbone}' gives no spatial grid (its output has {len(shape)} dimensions).")
    return shape[2], shape[3], shape[1]
