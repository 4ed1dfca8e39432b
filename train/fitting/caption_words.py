"""Captions as further supervision of the image encoder: it learns to predict their words beside the answers.

A caption names things, colours and actions that no question asks for, and photos with captions need no questions. The
layers that predict the words are not part of the finished model.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.captions.data import captioned
from train.fitting.batches import Questions, draw_mirrored, mirrored, photo_batches, share
from train.fitting.loop import Batch
from train.fitting.settings import Settings
from train.fitting.tasks import AnswerTask, load
from vqa.captioning.words import split
from vqa.model.errors import InputError

if TYPE_CHECKING:
    from train.fitting.prepare import Prepared

MIN_COUNT = 20  # captions; rarer words are not learned
WEIGHT = 0.2  # of the words' loss beside that of the answers
HIDDEN = 256


@dataclass
class CaptionedQuestions:
    """Batches of questions about photos, with the caption words of these and of further photos.

    photos: P paths, those of the questions, then those that only have captions; words: the V words that are learned;
    other_words `(V,)`: what each becomes in a mirrored photo; has `(P,)`: whether a photo has captions; labels
    `(P, V)`: the share of its captions that have the word, in 255ths.
    """

    questions: Questions
    photos: list[str]
    words: list[str]
    other_words: Tensor
    has: np.ndarray
    labels: np.ndarray

    @classmethod
    def read(
        cls,
        questions: Questions,
        files: Sequence[str],
        folders: Sequence[str],
        held: set[str],
        min_count: int = MIN_COUNT,
    ) -> "CaptionedQuestions":
        """Files of captions (see `train.captions.data.captioned`); photos whose file name is in `held` are left out.

        Words of fewer than `min_count` captions are not learned. Raises `InputError` for a line without captions, or a
        photo that is not in its folder.
        """
        captions: dict[str, list[set[str]]] = {}
        for file, folder in zip(files, folders if len(folders) > 1 else list(folders) * len(files), strict=True):
            for name, texts, where in captioned(Path(file)):
                if name in held:
                    continue
                photo = Path(folder) / name
                if not photo.is_file():
                    raise InputError(f"{where} names {name}, which is not in {folder}; name the folder of its photos.")
                captions[str(photo)] = [set(split(text)) for text in texts]
        counts = Counter(word for texts in captions.values() for text in texts for word in text)
        words = [word for word, count in counts.most_common() if count >= min_count]
        if not words:
            raise InputError(f"No word occurs in {min_count} captions of {', '.join(files)}; give more captions.")
        index = {word: number for number, word in enumerate(words)}
        photos = list(dict.fromkeys((*questions.photos, *captions)))
        labels = np.zeros((len(photos), len(words)), dtype=np.uint8)
        for row, name in enumerate(photos):
            own = captions.get(name, [])
            count = Counter(index[word] for text in own for word in text if word in index)
            labels[row, list(count)] = [round(255 * n / len(own)) for n in count.values()]
        has = np.array([photo in captions for photo in photos])
        return cls(questions, photos, words, mirrored(index), has, labels)

    def epoch(self, size: int, order: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each batch its questions, about `size`, and the photos without questions that are added to it."""
        batches = photo_batches(self.questions.photo, size, order)
        alone = order.permutation(np.arange(len(self.questions.photos), len(self.photos)))
        return list(zip(batches, np.array_split(alone, len(batches)), strict=True))

    def batch(self, chosen: np.ndarray, alone: np.ndarray, order: np.random.Generator | None = None) -> Batch:
        """The inputs of `CaptionTask` but for the photos, whose numbers are `rows (P,)`; `order` as in `Questions`."""
        batch = self.questions.batch(chosen, order)
        rows = np.concatenate((batch["rows"].numpy(), alone))
        mirror = torch.cat((batch["mirror"], draw_mirrored(len(alone), order)))
        with_captions = np.flatnonzero(self.has[rows])
        words = torch.from_numpy(self.labels[rows[with_captions]]).float() / 255
        turned = mirror[with_captions]
        words[turned] = words[turned][:, self.other_words]
        more = {"rows": torch.from_numpy(rows), "captioned": torch.from_numpy(with_captions)}
        return batch | more | {"mirror": mirror, "words": words}


class CaptionTask(AnswerTask):
    """The loss of the answers, and `WEIGHT` times that of the captions' words.

    A word's logit of a photo is the soft maximum over its places, log 1/N Σ_n exp(w · U v_n), so that each place can
    learn its own words from the captions of the whole photo (multiple instance learning, as in Fang et al. 2015).
    """

    def __init__(self, data: "Prepared", settings: Settings, process: int = 0, processes: int = 1):
        super().__init__(data, settings, process, processes)
        assert data.captions is not None
        self.captions = data.captions
        common = torch.from_numpy(self.captions.labels[self.captions.has].mean(0) / 255).float()
        torch.manual_seed(settings.seed)  # whether or not a task was trained before in this process
        self.place = nn.Linear(self.net.image_encoder.channels, HIDDEN)
        self.word = nn.Linear(HIDDEN, len(common))
        nn.init.zeros_(self.word.weight)
        self.word.bias.data.copy_(common.clamp(1e-4, 1 - 1e-4).logit())  # a word starts as likely as it is common

    def batches(self, epoch: int) -> Iterator[Batch]:
        order = np.random.default_rng((self.settings.seed, 2, epoch))
        batches = self.captions.epoch(self.optim.batch_size, order)
        for chosen in share(batches, self.process, self.processes):
            batch = self.captions.batch(*chosen, order if self.optim.augment else None)
            yield load(batch, self.data.train_photos)

    def forward(  # type: ignore[override]
        self, squares: Tensor, words: Tensor, captioned: Tensor, **questions: Tensor
    ) -> Tensor:
        """squares `(P, S, S, 3)`: photos, of which `captioned (C,)` have the `words (C, V)`; the rest is as in
        `AnswerTask`."""
        grid = self.grid(squares=squares)
        answers = super().forward(**questions, grid=grid)
        logits = self.word(self.place(F.normalize(grid[captioned], dim=-1) * math.sqrt(grid.shape[-1])).relu()).float()
        pooled = logits.logsumexp(1) - math.log(logits.shape[1])
        loss = F.binary_cross_entropy_with_logits(pooled, words, reduction="sum") / max(1, len(words))
        return answers + WEIGHT * loss
