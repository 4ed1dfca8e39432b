"""The losses of the captioner."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vqa.captioning.captioner import Written
from vqa.captioning.words import PAD

PENALTY = 0.3  # of the doubly stochastic attention
REWARD, ENTROPY, KEEP = 1.0, 0.002, 0.9  # of hard attention


def word_scores(logits: Tensor, captions: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of each next word `(P, K, T)`, 0 at padding, and which are words.

    logits `(P, K, T, V)`; captions `(P, K, T + 1)`, START first.
    """
    target = captions[..., 1:]
    scores = -F.cross_entropy(logits.flatten(0, 2).float(), target.flatten(), ignore_index=PAD, reduction="none")
    return scores.view(target.shape), target != PAD


def doubly_stochastic(attention: Tensor, valid: Tensor) -> Tensor:
    """Σ_i (1 - Σ_t a_ti)² / N, the mean over captions: each place should get a total attention of 1 (Xu et al. 2015,
    equation 14), for a caption of T words and N places. attention `(P, K, T, N)`, valid `(P, K, T)`."""
    return (1 - (attention * valid.unsqueeze(-1)).sum(2)).square().mean()


def to_come(scores: Tensor) -> Tensor:
    """R_t, the sum of the words' scores from step t on `(P, K, T)`, without a gradient."""
    return scores.detach().flip(-1).cumsum(-1).flip(-1)


def update(expected: Tensor, rewards: Tensor, valid: Tensor) -> None:
    """Move the average b_t of the rewards from step t on, in place: b_t = 0.9 b_t + 0.1 · mean (Xu et al. 2015, section
    4.1). It lowers the variance of hard attention's gradient, not its mean. rewards `(P, K, T)`."""
    count = valid.sum((0, 1)).float()
    mean = (rewards * valid).sum((0, 1)) / count.clamp_min(1)
    before = expected[: len(mean)]
    expected[: len(mean)] = torch.where(count > 0, KEEP * before + (1 - KEEP) * mean, before)


def score_function(attention: Tensor, used: Tensor, scores: Tensor, valid: Tensor, baseline: Tensor) -> Tensor:
    """The surrogate whose gradient is that of the sampled places: Σ_t (R_t - b_t) log a_t(s_t), per caption `(P, K)`.

    R_t = Σ log p(word) from step t on: earlier words do not depend on the place (Williams 1992).
    """
    chosen = (attention * used.detach()).sum(-1).clamp_min(1e-8).log()
    return ((to_come(scores) - baseline) * chosen * valid).sum(-1)


def self_critical(scores: Tensor, valid: Tensor, rewards: Tensor) -> Tensor:
    """-Σ (r_k - b_k) log p(caption k) a word, for K captions drawn for each photo: the gradient raises the probability
    of those that are better than the mean of the photo's others, b_k = Σ_{j≠k} r_j / (K - 1) (Rennie et al. 2017;
    Luo 2020, 'A better variant of self-critical sequence training').

    scores: log-probabilities of the words `(P, K, T)`; valid: which are words; rewards `(P, K)`.
    """
    others = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return -((rewards - others).unsqueeze(-1) * scores * valid).sum() / valid.sum()


def caption_loss(kind: str, written: Written, captions: Tensor, expected: Tensor, penalise: bool = True) -> Tensor:
    """The loss of one batch. kind: `hard` if places are sampled, which also updates the `expected` rewards, else `none`
    or `soft`; penalise: apply soft attention's penalty. captions `(P, K, T + 1)`, START first."""
    scores, valid = word_scores(written.logits, captions)
    count = valid.sum().clamp_min(1)
    loss = -scores.sum() / count
    if kind == "soft" and penalise:
        loss = loss + PENALTY * doubly_stochastic(written.attention, valid)
    if kind == "hard":
        baseline = expected[: scores.shape[-1]]
        learned = score_function(written.attention, written.used, scores, valid, baseline).sum() / count
        chances = written.attention
        entropy = (-(chances * chances.clamp_min(1e-8).log()).sum(-1) * valid).sum() / count
        update(expected, to_come(scores), valid)
        loss = loss - REWARD * learned - ENTROPY * entropy
    return loss
