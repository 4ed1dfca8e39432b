"""Figures from scores: means in percent, their intervals by the bootstrap over photos, and calibration."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vqa.model.text import KINDS

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 2000
LEVEL = 95  # percent of the draws that lie inside an interval
SHARE = 3 / 4  # of the answers that are stated as sure are right
FEWEST = 50  # answers that a threshold of 'sure' is chosen on
RIDGE = 1e-4  # holds the temperature finite where all answers are right, or wrong
CHUNK = 100  # draws at once, so that memory does not grow with the data


def percent(scores: np.ndarray) -> float | None:
    """The mean of scores in 0-1, in percent, rounded to two digits; None if there are none."""
    return round(100 * float(scores.mean()), 2) if len(scores) else None


def resampled_means(
    scores: Mapping[str, np.ndarray], photos: Sequence[Hashable], seed: int = 0, draws: int = DRAWS
) -> dict[str, np.ndarray]:
    """Means of the scores over photos that are drawn with replacement (Efron 1979): `(draws,)` by name.

    scores: `(n,)` by name, one a question; NaN where a question has none. photos: each question's photo. The scores of
    questions about one photo depend on each other, so photos are drawn, not questions; all names share the same draws,
    so that their differences are paired. Draws without any scored question are NaN.
    """
    _, index = np.unique(np.array([str(photo) for photo in photos]), return_inverse=True)
    count = int(index.max()) + 1
    sums = {name: np.bincount(index, np.nan_to_num(values), count) for name, values in scores.items()}
    numbers = {name: np.bincount(index, ~np.isnan(values), count) for name, values in scores.items()}
    generator = np.random.default_rng(seed)
    means: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    for start in range(0, draws, CHUNK):
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=min(CHUNK, draws - start))
        for name in scores:
            total = drawn @ numbers[name]
            with np.errstate(invalid="ignore", divide="ignore"):
                means[name].append(np.where(total > 0, drawn @ sums[name] / total, np.nan))
    return {name: np.concatenate(parts) for name, parts in means.items()}


def interval(means: np.ndarray) -> list[float] | None:
    """The middle 95% of the draws, in percent, two digits; None if there are none."""
    known = means[~np.isnan(means)]
    if not known.size:
        return None
    edge = (100 - LEVEL) / 2
    return [round(100 * float(x), 2) for x in np.percentile(known, (edge, 100 - edge))]


def fit_temperature(logits: "Tensor", right: "Tensor", adaptive: bool = True) -> tuple[float, float]:
    """The temperature t and its slope k for which max softmax(logits / T) is the most likely probability of being
    right, with T = t exp(k (p - 1/2)) and p = max softmax(logits).

    Temperature scaling (Guo et al. 2017) changes no answer. A temperature that depends on p also corrects a model that
    is overconfident where it is sure and underconfident where it is not. It is fitted here to whether the answer is
    right, as that is what a confidence means to a user, so that questions whose answer is not in the vocabulary count,
    too.

    Args:
        logits: `(B, A)`.
        right: `(B, A)` soft scores of the answers, 0 to 1.
        adaptive: without it k is 0.

    Returns:
        t and k, which is from -10 to 10, as in a checkpoint; T is between 0.1 and 10.
    """
    import torch

    correct = right.gather(1, logits.argmax(1, keepdim=True)).squeeze(1).double()
    below = logits - logits.amax(1, keepdim=True)
    p = 1 / below.exp().sum(1).double()  # the highest of the softmax

    def loss(log_t: "Tensor", slope: "Tensor | float" = 0.0) -> "Tensor":
        temperature = (log_t + slope * (p - 0.5)).exp().clamp(0.1, 10)
        scaled = (1 / (below / temperature[:, None].float()).exp().sum(1).double()).clamp(1e-6, 1 - 1e-6)
        return torch.nn.functional.binary_cross_entropy(scaled, correct)

    start = min(torch.linspace(-2, 2, 9).double(), key=lambda log_t: float(loss(log_t)))
    fitted = torch.stack((start, torch.zeros_like(start))).requires_grad_()
    optimizer = torch.optim.LBFGS([fitted], max_iter=100, line_search_fn="strong_wolfe")

    def step() -> "Tensor":
        optimizer.zero_grad()
        value = loss(fitted[0], fitted[1] * adaptive) + RIDGE * fitted.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(step)
    log_t, slope = fitted.tolist()
    return round(math.exp(log_t), 4), round(min(max(slope, -10.0), 10.0), 4) if adaptive else 0.0


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """ECE in 0-1: the mean distance between confidence and accuracy over `bins` equally wide bins (Guo et al. 2017).

    confidence, right: `(B,)`, each in 0-1.
    """
    if not len(confidence):
        return 0.0
    gaps = np.bincount(bin_of(confidence, bins), confidence - right, bins)
    return float(np.abs(gaps).sum() / len(confidence))


def bin_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum((confidence * bins).astype(int), bins - 1)


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> list[dict[str, Any]]:
    """The reliability curve (DeGroot & Fienberg 1983): mean confidence and accuracy, in percent, of each bin that has
    answers, and their number. Arguments as for `expected_calibration_error`."""
    number = bin_of(confidence, bins)
    return [
        {
            "n": int((number == k).sum()),
            "confidence": percent(confidence[number == k]),
            "accuracy": percent(right[number == k]),
        }
        for k in np.unique(number)
    ]


def lowest_sure(confidence: np.ndarray, right: np.ndarray, share: float = SHARE, fewest: int = FEWEST) -> float:
    """The lowest threshold for which the answers that reach it are right in `share` of the cases.

    The mean over these answers must exceed the share by one standard error, and they must be at least `fewest`, so that
    a handful of questions cannot decide. Where no threshold is such, it is 1: no answer is stated as sure.

    Args:
        confidence: `(B,)`, 0 to 1.
        right: `(B,)`, the soft scores of the answers, 0 to 1.
    """
    order = np.argsort(-confidence, kind="stable")
    confidence, n = confidence[order], np.arange(1, len(order) + 1)
    mean = right[order].cumsum() / n
    error = np.sqrt(mean * (1 - mean) / n)  # the largest that scores between 0 and 1 with this mean can have
    whole = np.append(confidence[1:] < confidence[:-1], True)[: len(n)]  # equal confidences are in or out together
    fit = np.flatnonzero(whole & (n >= fewest) & (mean - error >= share))
    return float(confidence[fit[-1]]) if fit.size else 1.0


def stated_as_sure(kinds: np.ndarray, sure: np.ndarray, right: np.ndarray) -> dict[str, dict[str, Any]]:
    """For `all` answers and for each kind of answer: their number `n`, how many are stated as `sure`, and how many of
    these are `right`, in percent (None if there are none).

    Each argument is `(n,)`. kinds: names among `KINDS`; sure: true or false; right: scores, 0 to 1.
    """
    sure = sure.astype(bool)
    groups = {"all": np.ones(len(kinds), bool)} | {kind: kinds == kind for kind in KINDS if (kinds == kind).any()}
    return {
        name: {"n": int(group.sum()), "sure": int((group & sure).sum()), "right": percent(right[group & sure])}
        for name, group in groups.items()
    }


def selective(confidence: np.ndarray, right: np.ndarray, shares: tuple[int, ...] = (25, 50, 75, 100)) -> list[dict]:
    """Selective prediction (El-Yaniv & Wiener 2010): the accuracy, in percent, if only the surest `coverage` percent of
    the questions are answered, and the lowest confidence among these. Ties keep the order of the data."""
    order = np.argsort(-confidence, kind="stable")
    surest = {share: order[: max(1, round(len(order) * share / 100))] for share in shares}
    return [
        {
            "coverage": share,
            "accuracy": percent(right[chosen]),
            "threshold": round(100 * float(confidence[chosen].min()), 2),
        }
        for share, chosen in surest.items()
    ]
