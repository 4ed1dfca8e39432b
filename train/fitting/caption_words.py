"""Captions as further supervision of the image encoder: it learns to predict their words beside the answers.

A caption names things, colours and actions that no question asks for, and photos with captions need no questions.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from train.captions.data import captioned
from train.fitting.batches import mirrored
from train.fitting.loop import Batch
from train.fitting.photo_labels import PhotoLabels, bernoulli_loss
from vqa.captioning.words import split
from vqa.model.errors import InputError

MIN_COUNT = 20  # captions; rarer words are not learned
WEIGHT = 0.2  # of the words' loss beside that of the answers

Captions = dict[str, list[set[str]]]
"""The words of each caption of each photo, by the photo's path."""


def read_caption_words(files: Sequence[str], folders: Sequence[str], held: set[str]) -> Captions:
    """Files of captions (see `train.captions.data.captioned`); photos whose file name is in `held` are left out.

    Raises `InputError` for a line without captions, or a photo that is not in its folder.
    """
    captions: Captions = {}
    for file, folder in zip(files, folders if len(folders) > 1 else list(folders) * len(files), strict=True):
        for name, texts, where in captioned(Path(file)):
            if name in held:
                continue
            photo = Path(folder) / name
            if not photo.is_file():
                raise InputError(f"{where} names {name}, which is not in {folder}; name the folder of its photos.")
            captions[str(photo)] = [set(split(text)) for text in texts]
    return captions


class CaptionWords(PhotoLabels):
    """The words of captions: a word's label of a photo is the share of its captions that have the word.

    A word's logit of a photo is the soft maximum over its places, log 1/N Σ_n exp(logit_n), so that each place can
    learn its own words from the captions of the whole photo (multiple instance learning, as in Fang et al. 2015).
    words: the V words that are learned; has `(P,)`: whether a photo has captions; labels `(P, V)`, in 255ths.
    """

    def __init__(self, photos: Sequence[str], captions: Mapping, channels: int, min_count: int = MIN_COUNT):
        """Words of fewer than `min_count` captions are not learned. Raises `InputError` if no word is left."""
        counts = Counter(word for texts in captions.values() for text in texts for word in text)
        self.words = [word for word, count in counts.most_common() if count >= min_count]
        if not self.words:
            raise InputError(f"No word occurs in {min_count} captions; give more captions.")
        index = {word: number for number, word in enumerate(self.words)}
        self.labels = np.zeros((len(photos), len(self.words)), dtype=np.uint8)
        for row, name in enumerate(photos):
            own = captions.get(name, [])
            count = Counter(index[word] for text in own for word in text if word in index)
            self.labels[row, list(count)] = [round(255 * n / len(own)) for n in count.values()]
        self.has = np.array([photo in captions for photo in photos])
        self.other_words = mirrored(index)
        super().__init__(channels, torch.from_numpy(self.labels[self.has].mean(0) / 255).float())

    def batch(self, rows: np.ndarray, mirror: np.ndarray) -> Batch:
        """captioned `(C,)`: which of the photos have captions; words `(C, V)`: their labels."""
        captioned = np.flatnonzero(self.has[rows])
        words = torch.from_numpy(self.labels[rows[captioned]]).float() / 255
        turned = torch.from_numpy(mirror[captioned])
        words[turned] = words[turned][:, self.other_words]
        return {"captioned": torch.from_numpy(captioned), "words": words}

    def forward(self, grid: Tensor, batch: Batch) -> Tensor:
        logits = self.logits(grid[batch["captioned"]])
        return WEIGHT * bernoulli_loss(logits.logsumexp(1) - math.log(logits.shape[1]), batch["words"])
