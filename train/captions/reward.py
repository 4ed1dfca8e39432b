"""Learning from whole captions: the reward of sampled ones instead of the probability of given words."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

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
        self.documents = math.log(len(documents))
        self.photos_with = Counter(gram for own in documents for gram in set().union(*map(grams, own)))

    def weights(self, caption: Sequence[int]) -> dict[Gram, float]:
        """TF-IDF of each n-gram: its count times the logarithm of how rare it is."""
        return {g: n * (self.documents - math.log(max(1, self.photos_with[g]))) for g, n in grams(caption).items()}

    def scores(self, captions: Sequence[Sequence[int]], references: Sequence[Sequence[int]]) -> list[float]:
        """The score of each of some captions of one photo, from 0 to 10."""
        own = [(self.weights(reference), len(reference)) for reference in references]
        return [sum(self._similarity(c, *reference) for reference in own) / len(own) for c in captions]

    def _similarity(self, caption: Sequence[int], reference: dict[Gram, float], length: int) -> float:
        weights = self.weights(caption)
        shared, lengths = [0.0] * LONGEST, (norms(weights), norms(reference))
        for gram in weights.keys() & reference.keys():
            shared[len(gram) - 1] += min(weights[gram], reference[gram]) * reference[gram]
        cosines = sum(dot / (a * b) for dot, a, b in zip(shared, *lengths, strict=True) if dot)
        return 10 / LONGEST * cosines * math.exp(-((len(caption) - length) ** 2) / (2 * 6**2))


def grams(caption: Sequence[int]) -> Counter[Gram]:
    """How often each n-gram of up to `LONGEST` words occurs."""
    lengths = range(1, LONGEST + 1)
    return Counter(tuple(caption[i : i + n]) for n in lengths for i in range(len(caption) - n + 1))


def norms(weights: dict[Gram, float]) -> list[float]:
    """The Euclidean norm of the weights of the n-grams of each length."""
    squares = [0.0] * LONGEST
    for gram, weight in weights.items():
        squares[len(gram) - 1] += weight**2
    return list(map(math.sqrt, squares))


def f_mean(caption: Sequence[int], reference: Sequence[int]) -> float:
    """The weighted harmonic mean of precision and recall of the words, P R / (A P + (1 - A) R) with A = 0.85, as in
    METEOR (Denkowski & Lavie 2014)."""
    common = (Counter(caption) & Counter(reference)).total()
    precision, recall = common / len(caption), common / len(reference)
    return precision * recall / (A * precision + (1 - A) * recall) if common else 0.0


class RewardedTask(Task):
    """Self-critical training (Rennie et al. 2017) of a captioner that has learned words.

    A caption's reward is its CIDEr-D, and `RECALL` times the F-mean with the closest reference: by CIDEr-D alone,
    captions become short. END counts as a word, so that sentences are finished. Held out is the mean reward of the
    captions by beam search.
    """

    name = "captioner"
    betas = (0.9, 0.99)

    def __init__(self, net: Captioner, data: Batches, held: Batches, once: Sequence[int], seed: int, epochs: float):
        super().__init__()
        self.net, self.data, self.held, self.once, self.seed = net, data, held, once, seed
        self.steps, self.epochs = len(data), epochs
        self.references, self.held_references = ([[c[1:] for c in own] for own in part.ids] for part in (data, held))
        self.cider = Cider(self.references)

    def batches(self, epoch: int) -> Iterator[Batch]:
        for chosen in self.data.epoch(self.seed + epoch):
            yield {"grid": self.data.grids(chosen), "photos": torch.from_numpy(chosen)}

    def forward(self, grid: Tensor, photos: Tensor) -> Tensor:
        seen = Photos(*(part.repeat_interleave(SAMPLES, 0) for part in self.net.see(grid)))
        drawn = draw(self.net, seen, seed=int(torch.randint(1 << 62, ())), most=self.data.most, once=self.once)
        ids, scores = (part.squeeze(1).unflatten(0, (-1, SAMPLES)) for part in (drawn.ids, drawn.scores))
        rewards = [self.rewards(words(own), self.references[i]) for own, i in zip(ids, photos, strict=True)]
        return self_critical(scores, ids != PAD, torch.tensor(rewards, device=grid.device))

    def rewards(self, captions: Sequence[Sequence[int]], references: Sequence[Sequence[int]]) -> list[float]:
        """The reward of each of some captions of one photo."""
        close = (max(f_mean(caption, reference) for reference in references) for caption in captions)
        return [a + RECALL * b for a, b in zip(self.cider.scores(captions, references), close, strict=True)]

    @torch.inference_mode()
    def held_out(self) -> dict[str, float]:
        device, captions = next(self.net.parameters()).device, list[list[int]]()
        for grid in self.held.in_order():
            captions += words(beam_search(self.net, grid.to(device), BEAM, self.held.most, self.once).ids[:, 0])
        pairs = zip(captions, self.held_references, strict=True)
        rewards = [self.rewards([caption], references)[0] for caption, references in pairs]
        return {"reward": sum(rewards) / len(rewards)}


def words(ids: Tensor) -> list[list[int]]:
    """The rows of `(K, T)` without padding."""
    return [[number for number in row if number != PAD] for row in ids.tolist()]
