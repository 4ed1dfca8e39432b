"""The image encoder learns words: what people say of a photo, beside what they answer about it.

A caption names things, colours and deeds that no question asked for, and a photo with captions needs no question at
all. The words' layers only serve to teach: they are not part of the model.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.captions.data import captioned
from train.fitting.batches import Questions, draw_mirrored, mirrored, photo_batches
from train.fitting.tasks import Answering
from vqa.captioning.words import split
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor


@dataclass
class Captioned:
    """Photos with captions, as arrays.

    photos: P paths; words: the V words that are learned; labels `(P, V)`: the share of the photo's captions that have
    the word, in 255ths.
    """

    photos: list[str]
    words: list[str]
    labels: np.ndarray

    @classmethod
    def read(cls, files: Sequence[str], folders: Sequence[str], held: set[str], min_count: int) -> "Captioned":
        """Files of captions (see `train.captions.data.captioned`); photos whose file name is among `held` are left out.

        Words that stand in fewer than `min_count` captions are not learned. Raises `InputError` for a line that is not
        of captions, or a photo that is not in its folder.
        """
        photos, captions = [], []
        for file, folder in zip(files, folders if len(folders) > 1 else list(folders) * len(files), strict=True):
            for name, texts, where in captioned(Path(file)):
                if name in held:
                    continue
                photo = Path(folder) / name
                if not photo.is_file():
                    raise InputError(f"{where} names {name}, which is not in {folder}; name the folder of its photos.")
                photos.append(str(photo))
                captions.append([set(split(text)) for text in texts])
        counts = Counter(word for texts in captions for text in texts for word in text)
        words = [word for word, count in counts.most_common() if count >= min_count]
        if not words:
            raise InputError(f"No word stands in {min_count} captions of {', '.join(files)}; give more captions.")
        index = {word: number for number, word in enumerate(words)}
        labels = np.zeros((len(photos), len(words)), dtype=np.uint8)
        for row, own in enumerate(captions):
            said = Counter(index[word] for text in own for word in text if word in index)
            labels[row, list(said)] = [round(255 * n / len(own)) for n in said.values()]
        return cls(photos, words, labels)


class Seen:
    """Batches of questions about photos, with what is said of these and of further photos.

    `photos` are those of the questions, then those that only have captions.
    """

    def __init__(self, questions: Questions, captioned: Captioned):
        self.questions, self.labels = questions, captioned.labels
        self.other_words = mirrored({word: number for number, word in enumerate(captioned.words)})
        self.photos = list(dict.fromkeys((*questions.photos, *captioned.photos)))
        row_of = {photo: row for row, photo in enumerate(captioned.photos)}
        self.row = np.array([row_of.get(photo, -1) for photo in self.photos])

    def epoch(self, size: int, order: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        """Questions of a batch, `size` of them, and the photos without any that go with them."""
        batches = photo_batches(self.questions.photo, size, order)
        alone = order.permutation(np.arange(len(self.questions.photos), len(self.photos)))
        return list(zip(batches, np.array_split(alone, len(batches)), strict=True))

    def batch(
        self, chosen: np.ndarray, alone: np.ndarray, order: np.random.Generator | None = None
    ) -> dict[str, Tensor]:
        """The inputs of `Seeing` but for the photos, whose numbers are `rows (P,)`; `order` as in `Questions.batch`."""
        batch = self.questions.batch(chosen, order)
        rows = np.concatenate((batch["rows"].numpy(), alone))
        mirror = torch.cat((batch["mirror"], draw_mirrored(len(alone), order)))
        captioned = np.flatnonzero(self.row[rows] >= 0)
        said = torch.from_numpy(self.labels[self.row[rows[captioned]]]).float() / 255
        turned = mirror[captioned]
        said[turned] = said[turned][:, self.other_words]
        more = {
            "rows": torch.from_numpy(rows),
            "mirror": mirror,
            "captioned": torch.from_numpy(captioned),
            "said": said,
        }
        return batch | more


class Seeing(Answering):
    """The loss of the answers, and `weight` times that of the captions' words.

    A word's logit of a photo is the soft maximum over its places, log 1/N Σ_n exp(w · U v_n), so that a place may learn
    what stands there from what is said of the whole (multiple instance learning, as in Fang et al. 2015).
    """

    def __init__(
        self,
        net: VQAModel,
        image_processor: VQAImageProcessor,
        parts: Sequence[str],
        labels: np.ndarray,
        weight: float,
        hidden: int = 256,
    ):
        """labels: those of all captioned photos; a word's bias starts from how common it is."""
        super().__init__(net, image_processor, parts)
        self.weight = weight
        common = torch.from_numpy(labels.mean(0) / 255).float()
        self.place = nn.Linear(net.image_encoder.channels, hidden)
        self.word = nn.Linear(hidden, len(common))
        nn.init.zeros_(self.word.weight)
        self.word.bias.data.copy_(common.clamp(1e-4, 1 - 1e-4).logit())

    def forward(  # type: ignore[override]
        self, squares: Tensor, said: Tensor, captioned: Tensor, **questions: Tensor
    ) -> Tensor:
        """squares `(P, S, S, 3)`: photos, of which `captioned (C,)` have the words `said (C, V)`; the rest is as in
        `Answering`."""
        grid = self.grid(squares=squares)
        answers = super().forward(**questions, grid=grid)
        logits = self.word(self.place(F.normalize(grid[captioned], dim=-1) * math.sqrt(grid.shape[-1])).relu()).float()
        pooled = logits.logsumexp(1) - math.log(logits.shape[1])
        words = F.binary_cross_entropy_with_logits(pooled, said, reduction="sum") / max(1, len(said))
        return answers + self.weight * words
