"""The image encoder for answering: batch norms are part of the convolutions."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_weights

from vqa.model.image_encoder import Conv, ImageEncoder, LiteNet, Norm, TimmGrid

PHOTOS = 8  # at once on a CPU; more are no faster, and take more memory


class FoldedEncoder(nn.Module):
    """Computes what an `ImageEncoder` in evaluation mode computes: `(P, 3, S, S)` pixels to a grid `(P, N, D)`. Of a
    `LiteNet` it is a copy, whose results differ in their last digits; another network is the encoder's own."""

    def __init__(self, encoder: ImageEncoder):
        super().__init__()
        net = encoder.cnn.net if isinstance(encoder.cnn, TimmGrid) else None
        self.cnn = FoldedLite(net) if isinstance(net, LiteNet) else encoder.cnn
        self.eval()

    def forward(self, pixel_values: Tensor) -> Tensor:
        at_once = PHOTOS if pixel_values.is_cpu else max(len(pixel_values), 1)
        grids = [self.cnn(photos) for photos in pixel_values.split(at_once)]
        return torch.cat(grids).flatten(2).transpose(1, 2)


class FoldedLite(nn.Module):
    """A `LiteNet` of `FoldedConv`s."""

    def __init__(self, net: LiteNet):
        super().__init__()
        blocks: list[Any] = [block for stage in net.blocks for block in stage.children()]
        self.stem, self.head = FoldedConv(net.conv_stem, net.bn1), FoldedConv(net.conv_head, net.bn2)
        self.blocks: Any = nn.ModuleList(folded(*block.children()) for block in blocks)
        self.shortcuts = [block.shortcut for block in blocks]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block, shortcut in zip(self.blocks, self.shortcuts, strict=True):
            y = block(x)
            x = y.add_(x) if shortcut else y
        return self.head(x)


def folded(*layers: Any) -> nn.Sequential:
    """Of each `Conv` and the `Norm` that follows."""
    return nn.Sequential(*(FoldedConv(*pair) for pair in zip(layers[::2], layers[1::2], strict=True)))


class FoldedConv(nn.Module):
    """A `Conv` with its `Norm` and activation.

    A convolution w x and the batch norm g (w x - m) / s + b that follows are one convolution, with the weights g w / s
    and the bias b - g m / s. A `Conv` of stride 2 pads an even side with a pixel more behind than in front, which needs
    a copy of the whole input: a row and a column of zeros in front of the weights have the same effect.
    """

    def __init__(self, conv: Conv, norm: Norm):
        super().__init__()
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        weight, bias = fuse_conv_bn_weights(conv.weight, None, mean, variance, norm.eps, norm.weight, norm.bias)
        self.stride, self.padding, self.groups = conv.stride[0], conv.kernel_size[0] // 2, conv.groups
        kernel = F.pad(weight, (1, 0, 1, 0)) if self.stride > 1 else weight
        self.weight, self.bias = (nn.Parameter(part, requires_grad=False) for part in (kernel, bias))
        self.act = norm.act

    def forward(self, x: Tensor) -> Tensor:
        odd = self.stride > 1 and x.shape[-1] % 2
        weight = self.weight[..., 1:, 1:] if odd else self.weight
        x = F.conv2d(x, weight, self.bias, self.stride, self.padding, groups=self.groups)
        return F.relu6(x, inplace=True) if self.act else x
