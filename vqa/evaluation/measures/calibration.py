"""Confidence that means what it says: of the answers given with 70%, 70% should be right."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def fit_temperature(logits: "Tensor", right: "Tensor") -> float:
    """The temperature T that makes max softmax(logits / T) the likeliest probability of being right.

    Temperature scaling (Guo et al. 2017) changes no answer. It is fitted here to whether the answer given is right,
    which is what is shown, so that questions whose answer is not in the vocabulary count too.

    Args:
        logits: `(B, A)`.
        right: `(B, A)` soft scores of the answers, 0 to 1.

    Returns:
        T, searched on a logarithmic scale between about 0.1 and 10.
    """
    correct = right.gather(1, logits.argmax(1, keepdim=True)).squeeze(1).double()
    below = logits - logits.amax(1, keepdim=True)

    def loss(temperature: float) -> float:
        p = 1 / (below / temperature).exp().sum(1).double()  # the highest of the softmax
        p = p.clamp(1e-6, 1 - 1e-6)
        return float(-(correct * p.log() + (1 - correct) * (1 - p).log()).mean())

    temperatures = np.geomspace(0.1, 10, 41)
    for _ in range(2):  # a coarse grid, then a fine one around its best
        best = min(temperatures, key=loss)
        temperatures = best * np.geomspace(0.9, 1.1, 21)
    return round(float(min(temperatures, key=loss)), 4)


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """ECE in 0-1: the mean distance between confidence and accuracy over `bins` equally wide bins (Guo et al. 2017).

    confidence, right: `(B,)`, each in 0-1.
    """
    if not len(confidence):
        return 0.0
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, confidence - right, bins)
    return float(np.abs(gaps).sum() / len(confidence))


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> list[dict[str, Any]]:
    """The reliability curve (DeGroot & Fienberg 1983): mean confidence and accuracy, in percent, of each bin that is
    not empty, and how many answers are in it. Arguments as for `expected_calibration_error`."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "n": int((which == k).sum()),
            "confidence": round(100 * float(confidence[which == k].mean()), 2),
            "accuracy": round(100 * float(right[which == k].mean()), 2),
        }
        for k in np.unique(which)
    ]


def selective(confidence: np.ndarray, right: np.ndarray, shares: tuple[int, ...] = (25, 50, 75, 100)) -> list[dict]:
    """What 'not sure' is worth (El-Yaniv & Wiener 2010): the accuracy, in percent, if only the surest `coverage`
    percent of the questions are answered, and the lowest confidence among these. Ties keep the order of the data."""
    order = np.argsort(-confidence, kind="stable")
    kept = {share: order[: max(1, round(len(order) * share / 100))] for share in shares}
    return [
        {
            "coverage": share,
            "accuracy": round(100 * float(right[chosen].mean()), 2),
            "threshold": round(100 * float(confidence[chosen].min()), 2),
        }
        for share, chosen in kept.items()
    ]
