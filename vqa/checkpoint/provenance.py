"""What computed a grid: the image encoder and its preprocessing, named by a hash."""

import hashlib
from typing import TYPE_CHECKING, Any, Union

import torch

from vqa.checkpoint.find import Checkpoint
from vqa.checkpoint.weights import encoder_weights, half

if TYPE_CHECKING:  # no import of transformers, which takes seconds
    from vqa.model.processing import VQAImageProcessor


def provenance(
    encoder: dict[str, torch.Tensor], backbone: str, image_processor: Union["VQAImageProcessor", Checkpoint]
) -> dict[str, Any]:
    """What determines a grid's numbers. A feature store records it, and is only read with a model of equal provenance.

    encoder: the image encoder's `state_dict`. Weights are hashed at 16 bits, so that a checkpoint and the
    float32 weights it was saved from agree.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(encoder.items()):
        digest.update(name.encode())
        digest.update(half(value).numpy().tobytes())
    return {
        "backbone": backbone,
        "weights": digest.hexdigest(),
        "image_size": image_processor.size,
        "image_mean": image_processor.image_mean,
        "image_std": image_processor.image_std,
    }


def checkpoint_provenance(checkpoint: Checkpoint, backbone: str) -> dict[str, Any]:
    """The provenance of the grids that a checkpoint computes."""
    return provenance(encoder_weights(checkpoint.folder), backbone, checkpoint)
