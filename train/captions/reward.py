"""Learning from whole captions: the reward of sampled ones instead of the probability of given words."""

import copy
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from train.captions.data import Batches
from train.fitting.loop import Batch, Task
from vqa.captioning.captioner import Captioner, Photos
from vqa.captioning.objectives import self_critical
from vqa.captioning.search import BEAM, beam_search, draw
from vqa.captioning.words import PAD

LONGEST = 4  # words of an n-gram
SAMPLES = 5  # captions of a photo and step
RECALL = 2.0  # weight of the F-mean beside CIDEr-D
A = 0.85  # of the F-mean

Gram = tuple[int, ...]


class Cider:
    """CIDEr-D (Vedantam et al. 2015): the mean over n = 1 to 4 and a photo's references of the cosine between the
    TF-IDF weights of two captions' n-grams. A caption's weights are clipped to those of the reference, and captions of
    another length score less.

    documents: the captions of each photo of a collection, as the numbers of words. An n-gram weighs less if it is in
    the captions of many photos.
    """

    def __init__(self, documents: Sequence[Sequence[Sequence[int]]]):
        self.log_documents = math.log(len(documents))
        self.photos_with = Counter(gram for own in documents for gram in set().union(*map(grams, own)))

    def scores(self, captions: Sequence[Sequence[int]], references: Sequence[Sequence[int]]) -> list[float]:
        """The score of each of some captions of one photo, from 0 to 10."""
        ours, own = (list(map(self._weigh, some)) for some in (captions, references))
        return [sum(similarity(caption, reference) for reference in own) / len(own) for caption in ours]

    def _weigh(self, caption: Sequence[int]) -> "Weighed":
        """TF-IDF of each n-gram: its count times the logarithm of how rare it is."""
        weights, squares = {}, [0.0] * LONGEST
        for gram, count in grams(caption).items():
            weights[gram] = count * (self.log_documents - math.log(max(1, self.photos_with[gram])))
            squares[len(gram) - 1] += weights[gram] ** 2
        return Weighed(weights, list(map(math.sqrt, squares)), len(caption))


class Weighed(NamedTuple):
    """A caption's n-grams with their weights, the weights' Euclidean norm for each n, and the number of words."""

    weights: dict[Gram, float]
    norms: list[float]
    length: int


def similarity(caption: Weighed, reference: Weighed) -> float:
    """CIDEr-D with one reference."""
    shared = [0.0] * LONGEST
    for gram in caption.weights.keys() & reference.weights.keys():
        shared[len(gram) - 1] += min(caption.weights[gram], reference.weights[gram]) * reference.weights[gram]
    cosines = sum(dot / (a * b) for dot, a, b in zip(shared, caption.norms, reference.norms, strict=True) if dot)
    return 10 / LONGEST * cosines * math.exp(-((caption.length - reference.length) ** 2) / (2 * 6**2))


def grams(caption: Sequence[int]) -> Counter[Gram]:
    """How often each n-gram of up to `LONGEST` words occurs."""
    lengths = range(1, LONGEST + 1)
    return Counter(tuple(caption[i : i + n]) for n in lengths for i in range(len(caption) - n + 1))


def f_mean(caption: Sequence[int], reference: Sequence[int]) -> float:
    """The weighted harmonic mean of precision and recall of the words, P R / (A P + (1 - A) R) with A = 0.85, as in
    METEOR (Denkowski & Lavie 2014)."""
    common = (Counter(caption) & Counter(reference)).total()
    return common / (A * len(reference) + (1 - A) * len(caption)) if common else 0.0


class RewardedTask(Task):
    """Self-critical training (Rennie et al. 2017) of a captioner that has learned words, in `start`.

    A caption's reward is its CIDEr-D, and `RECALL` times the F-mean with the closest reference: by CIDEr-D alone,
    captions become short. END counts as a word, so that sentences are finished. Held out is the mean reward of the
    captions by beam search.
    """

    name = "captioner"
    betas = (0.9, 0.99)

    def __init__(self, start: Captioner, data: Batches, held: Batches, once: Sequence[int], seed: int, epochs: float):
        super().__init__()
        # part of the state, so that a resumed run ends between the same weights
        self.start, self.net = start.requires_grad_(False), copy.deepcopy(start).requires_grad_(True)
        self.data, self.held, self.once, self.seed = data, held, once, seed
        self.steps, self.epochs = len(data), epochs
        self.references, self.held_references = ([[c[1:] for c in own] for own in part.ids] for part in (data, held))
        self.cider = Cider(self.references)

    def batches(self, epoch: int) -> Iterator[Batch]:
        for chosen in self.data.epoch(self.seed + epoch):
            yield {"grid": self.data.grids(chosen), "photos": torch.from_numpy(chosen)}

    def forward(self, grid: Tensor, photos: Tensor) -> Tensor:
        seen = Photos(*(part.repeat_interleave(SAMPLES, 0) for part in self.net.see(grid)))
        drawn = draw(self.net, seen, 1.0, 1.0, int(torch.randint(1 << 62, ())), self.data.most, self.once)
        # the END of a caption that is cut off has not been drawn
        ids, scores = (part[:, 0, : self.data.most].unflatten(0, (-1, SAMPLES)) for part in (drawn.ids, drawn.scores))
        rewards = [self.rewards(words(own), self.references[i]) for own, i in zip(ids, photos, strict=True)]
        return self_critical(scores, ids != PAD, torch.tensor(rewards, device=grid.device))

    def rewards(self, captions: Sequence[Sequence[int]], references: Sequence[Sequence[int]]) -> list[float]:
        """The reward of each of some captions of one photo."""
        close = (max(f_mean(caption, reference) for reference in references) for caption in captions)
        return [a + RECALL * b for a, b in zip(self.cider.scores(captions, references), close, strict=True)]

    def held_out(self) -> dict[str, float]:
        return {"reward": self.mean_reward(self.net)}

    @torch.inference_mode()
    def mean_reward(self, net: Captioner) -> float:
        """Of the captions of the held-out photos."""
        device, captions = next(net.parameters()).device, list[list[int]]()
        for grid in self.held.in_order():
            captions += words(beam_search(net, grid.to(device), BEAM, self.held.most, self.once).ids[:, 0])
        pairs = zip(captions, self.held_references, strict=True)
        return sum(self.rewards([caption], references)[0] for caption, references in pairs) / len(captions)

    @torch.no_grad()
    def between(self) -> Captioner:
        """The captioner with the mean of the weights before and after (Wortsman et al. 2022, 'Robust fine-tuning'),
        which writes fewer broken sentences."""
        for before, after in zip(self.start.parameters(), self.net.parameters(), strict=True):
            after.lerp_(before, 0.5)
        return self.net


def words(ids: Tensor) -> list[list[int]]:
    """The rows of `(K, T)` without padding."""
    return [[number for number in row if number != PAD] for row in ids.tolist()]
