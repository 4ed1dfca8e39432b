"""Little data: the guess without the photo is mixed into the answer, as far as that helps.

A model that has seen a few hundred photos makes too much of them, and a guess from the question alone errs elsewhere.
Their log-linear pool (Genest & Zidek 1986) is often better than both, and it is a model of the same architecture: the
guessing head's hidden units become units of the fusion on which the photo has no influence.
"""

import torch
from torch import Tensor

from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel

SHARES = (0.0, 0.25, 0.5, 0.75)


def best_share(answer: Tensor, blind: Tensor, labels: Tensor) -> float:
    """The share of the guess with which held-out answers are the likeliest; of equal ones the smallest.

    answer, blind: logits `(B, A)` of the model and of the guess; labels: `(B, A)` soft scores.
    """

    def likelihood(share: float) -> float:
        return float((labels * ((1 - share) * answer + share * blind).log_softmax(-1)).sum())

    return max(SHARES, key=likelihood)


def pool(net: VQAModel, share: float) -> VQAModel:
    """The model whose logits are `(1 - share)` times those of `net` plus `share` times those of its blind head.

    Only exact in evaluation mode, as dropout stands elsewhere; the blind head itself stays.
    """
    if share == 0:
        return net
    config = VQAConfig(**net.config.to_dict() | {"fusion_size": net.config.fusion_size + net.config.blind_size})
    tensors = net.state_dict()
    hidden, out = ({kind: tensors[f"blind_head.{i}.{kind}"] for kind in ("weight", "bias")} for i in (0, 3))
    a, b = ("fusion.project_a", "fusion.project_b")
    unseen = tensors[f"{a}.weight"].new_zeros(config.blind_size, tensors[f"{a}.weight"].shape[1])
    tensors[f"{a}.weight"] = torch.cat((tensors[f"{a}.weight"], unseen))
    tensors[f"{b}.weight"] = torch.cat((tensors[f"{b}.weight"], hidden["weight"]))
    if config.fusion == "product":  # relu(1) · relu(W q + b)
        tensors[f"{a}.bias"] = torch.cat((tensors[f"{a}.bias"], torch.ones_like(hidden["bias"])))
        tensors[f"{b}.bias"] = torch.cat((tensors[f"{b}.bias"], hidden["bias"]))
    else:  # relu(W q + b)
        tensors[f"{a}.bias"] = torch.cat((tensors[f"{a}.bias"], hidden["bias"]))
    head = "answer_head.1"
    tensors[f"{head}.weight"] = torch.cat(((1 - share) * tensors[f"{head}.weight"], share * out["weight"]), 1)
    tensors[f"{head}.bias"] = (1 - share) * tensors[f"{head}.bias"] + share * out["bias"]
    pooled = VQAModel(config)
    pooled.load_state_dict(tensors)
    return pooled.to(net.device)  # type: ignore[arg-type]
