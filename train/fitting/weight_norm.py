"""Weight normalisation while a model is trained, folded away before anyone else sees it."""

from collections.abc import Sequence

from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations


def add_weight_norm(net: nn.Module, parts: Sequence[str]) -> None:
    """Write the matrix of every linear layer in the `parts` as its length times its direction (Salimans & Kingma 2016,
    with one length a matrix, as bottom-up-attention-vqa has it). What the layers compute stays the same."""
    for part in parts:
        for module in net.get_submodule(part).modules():
            if isinstance(module, nn.Linear) and not is_parametrized(module):
                weight_norm(module, dim=None)  # type: ignore[arg-type]


def fold_weight_norm(net: nn.Module) -> None:
    """Back to plain matrices, as they are now; a model without weight normalisation stays as it is."""
    for module in list(net.modules()):
        if is_parametrized(module, "weight"):
            remove_parametrizations(module, "weight", leave_parametrized=True)
