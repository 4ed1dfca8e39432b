"""The image encoder in two parts: the first stages, whose output can be stored, and the later ones, which are trained.

Stages that keep their weights give the same output in every epoch. Computed once, they cost a training no time: of
EfficientNet-Lite0 the first six of 13 take five sixths of it.
"""

import math
from typing import Any

import torch
from torch import Tensor

from vqa.checkpoint.provenance import provenance
from vqa.model.errors import InputError
from vqa.model.image_encoder import ImageEncoder
from vqa.model.processing import VQAImageProcessor


def first_stages(encoder: ImageEncoder, pixel_values: Tensor, count: int) -> Tensor:
    """`(P, 3, S, S)` to the output of the first `count` stages, `(P, h·w, C)`, row by row."""
    for stage in encoder.stages()[:count]:
        pixel_values = stage(pixel_values)
    return pixel_values.flatten(2).transpose(1, 2)


def later_stages(encoder: ImageEncoder, stored: Tensor, count: int) -> Tensor:
    """`(P, h·w, C)` of `first_stages` to the grid `(P, N, D)`."""
    side = math.isqrt(stored.shape[1])
    features = stored.transpose(1, 2).unflatten(2, (side, side)).to(next(encoder.parameters()).dtype)
    features = features.contiguous(memory_format=torch.channels_last)
    for stage in encoder.stages()[count:]:
        features = stage(features)
    return features.flatten(2).transpose(1, 2)


@torch.no_grad()
def stored_shape(encoder: ImageEncoder, image_size: int, count: int) -> tuple[int, int]:
    """Places and channels after the first `count` stages.

    Raises `InputError` for an encoder that is not the sequence of its stages, or has too few.
    """
    pixel_values = torch.rand(1, 3, image_size, image_size)
    try:
        stored = first_stages(encoder, pixel_values, count)
        same = torch.allclose(later_stages(encoder, stored, count), encoder(pixel_values), atol=1e-4)
    except (RuntimeError, TypeError, IndexError):
        same = False
    if not same or not 0 < count < len(encoder.stages()):
        raise InputError(
            f"The image encoder cannot be split after {count} of its {len(encoder.stages())} stages; give another "
            "number."
        )
    return stored.shape[1], stored.shape[2]


def stages_made_by(
    encoder: ImageEncoder, count: int, backbone: str, image_processor: VQAImageProcessor
) -> dict[str, Any]:
    """The provenance of what the first `count` stages compute, the same for all encoders that share these; with 0 that
    of the encoder's grids."""
    if not count:
        return provenance(encoder.state_dict(), backbone, image_processor)
    stages = torch.nn.Sequential(*encoder.stages()[:count])
    return provenance(stages.state_dict(), backbone, image_processor) | {"stages": count}
