"""The one door: load a model, show it a photo, ask."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vqa.checkpoint import WEIGHTS, checkpoint_provenance, find_checkpoint, load_checkpoint, read_json
from vqa.data.photos import content_hash, open_photo, pixels_hash
from vqa.device import fast_dtype, pick_device
from vqa.errors import InputError
from vqa.processing import short

PHOTOS_KEPT = 16


class Score(NamedTuple):
    """An answer and its probability."""

    answer: str
    score: float


class Logits(NamedTuple):
    """What `VQA.logits` gives for B questions, A answers, G glimpses over N places.

    logits, blind, image_only: `(B, A)`, of the whole model, of the head without photo and of that without question.
    attention: `(B, G, N)`, each map summing to 1.
    """

    logits: Tensor
    blind: Tensor
    image_only: Tensor
    attention: Tensor


class Word(NamedTuple):
    """A word of the question and its weight; the weights of a question sum to 1."""

    word: str
    weight: float


@dataclass(frozen=True)
class Answer:
    """What the model says, and why.

    text, confidence: the best answer and its calibrated probability; top: the best few.
    attention: `(G, h, w)`, a map for each glimpse, each summing to 1 over the photo.
    words: weights over the question's words; unknown_words: those among them that the model never learned.
    blind: what it would have said without looking.
    seconds: time for `load`, `photo` and `question`.
    """

    text: str
    confidence: float
    top: list[Score]
    attention: np.ndarray
    words: list[Word]
    unknown_words: list[str]
    blind: Score
    seconds: dict[str, float]
    model: str

    def to_dict(self) -> dict[str, Any]:
        """The object that `vqa ask --json` prints; its schema is `vqa/schemas/answer.json`."""
        height, width = self.attention.shape[1:]
        maps = self.attention.reshape(len(self.attention), -1).astype(float).tolist()
        return {
            "answer": self.text,
            "confidence": self.confidence,
            "top": [score._asdict() for score in self.top],
            "blind": self.blind._asdict(),
            "words": [word._asdict() for word in self.words],
            "unknown_words": self.unknown_words,
            "attention": {"height": height, "width": width, "maps": maps},
            "seconds": self.seconds,
            "model": self.model,
        }


@dataclass(frozen=True)
class Look:
    """A photo that the model has seen: the picture and its grid `(1, N, D)`, kept for the next question."""

    photo: Image.Image
    grid: Tensor = field(repr=False)
    seconds: float


class VQA:
    """A model that answers. `VQA.load().ask("photo.jpg", "what is on the table?")`.

    The image encoder runs in bfloat16 where the device has it; everything after it in float32.
    """

    def __init__(self, model: str | Path | None = None, device: str = "auto", dtype: str = "auto"):
        start = time.perf_counter()
        self.name = str(model) if model is not None else "bundled"
        self.folder = find_checkpoint(model)
        self.device = pick_device(device)
        self.model, self.processor = load_checkpoint(self.folder)
        if dtype not in ("auto", "float32", "bfloat16"):
            raise InputError(f"The precision '{dtype}' is not one of auto, float32, bfloat16.")
        self.dtype = fast_dtype(self.device) if dtype == "auto" else getattr(torch, dtype)
        self.model.to(self.device)  # type: ignore[arg-type]
        self.model.image_encoder.to(self.dtype).to(memory_format=torch.channels_last)
        self.config = self.model.config
        self.answers = self.config.answers
        self._seen: OrderedDict[str, Look] = OrderedDict()
        self.load_seconds = time.perf_counter() - start

    @classmethod
    def load(cls, model: str | Path | None = None, device: str = "auto", dtype: str = "auto") -> "VQA":
        """The bundled model, a checkpoint's folder, or a Hub id. Raises `InputError` if it cannot be read."""
        return cls(model, device, dtype)

    def made_by(self) -> dict[str, Any]:
        """What makes this model's grids: a feature store must have been made by the same."""
        return checkpoint_provenance(self.folder, self.model, self.processor)

    def fast(self) -> AbstractContextManager[None]:
        """Inside it `logits` runs in the precision of the image encoder: twice as fast in bfloat16, for many questions
        at once. One answer in fifty changes; accuracy does not."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is torch.bfloat16)

    def weights_hash(self) -> str:
        """32 hexadecimal digits that name the checkpoint's weights."""
        return content_hash(self.folder / WEIGHTS)

    def extra(self, name: str) -> Any:
        """The content of a further JSON file of the checkpoint, such as `priors.json`; None if it has none."""
        return read_json(self.folder / name) if (self.folder / name).is_file() else None

    @torch.inference_mode()
    def logits(self, grid: Tensor, questions: Sequence[str], photo_index: Tensor) -> Logits:
        """Many questions about many photos: grids `(P, N, D)`, B questions and the photo of each `(B,)`."""
        input_ids, mask = (x.to(self.device) for x in self.processor.encode(questions))
        grid, photo_index = grid.to(self.device), photo_index.to(self.device)
        output = self.model(input_ids, mask, grid=grid, photo_index=photo_index)
        image_only = self.model.image_only_logits(grid)[photo_index]
        attention = output.attention.float().flatten(2)
        return Logits(output.logits, self.model.blind_logits(output.question), image_only, attention)

    def look(self, photo: Any) -> Look:
        """Encode a photo: a path, bytes, an open file, a Pillow image or an array `(H, W, 3)` of bytes.

        The grids of the last few photos are kept, by content, so that asking about one again costs nothing.
        """
        if isinstance(photo, Look):
            return photo
        start = time.perf_counter()
        key, photo = _key(photo)
        if key in self._seen:
            self._seen.move_to_end(key)
            return self._seen[key]
        image = open_photo(photo, shortest_side=self.config.image_size)
        squares = torch.from_numpy(self.processor.image_processor.square(image)[None].copy())
        grid = self.encode_squares(squares)
        self._seen[key] = look = Look(image, grid, time.perf_counter() - start)
        if len(self._seen) > PHOTOS_KEPT:
            self._seen.popitem(last=False)
        return look

    @torch.inference_mode()
    def encode_squares(self, squares: Tensor) -> Tensor:
        """`(P, S, S, 3)` bytes, photos resized to the model's square, to grids `(P, N, D)` in float32."""
        pixels = self.processor.image_processor.normalize(squares.to(self.device))
        return self.model.encode_image(pixels.to(self.dtype)).float()

    def ask(self, photo: Any, question: str, top: int = 5) -> Answer:
        """One question about one photo. Raises `InputError` for a photo or a question that cannot be read."""
        return self.ask_many(photo, [question], top)[0]

    def ask_many(self, photo: Any, questions: Sequence[str], top: int = 5) -> list[Answer]:
        """Several questions about one photo, which is encoded once."""
        if not questions:
            return []
        if top < 1:
            raise InputError(f"The number of top answers is {top}; ask for at least 1.")
        inputs = self.processor.encode(questions)  # before the photo: a bad question is told at once
        words = [self._words(question) for question in questions]
        look = self.look(photo)
        start = time.perf_counter()
        best, scores, blind, attention, weights = (x.cpu() for x in self._answer(look.grid, *inputs, top))
        seconds = (time.perf_counter() - start) / len(questions)
        answers = []
        for i, (known, unknown) in enumerate(words):
            ranked = [Score(self.answers[a], s) for a, s in zip(best[i].tolist(), scores[i].tolist(), strict=True)]
            blind_answer = int(blind[i].argmax())
            answers.append(
                Answer(
                    text=ranked[0].answer,
                    confidence=ranked[0].score,
                    top=ranked,
                    attention=attention[i].numpy(),
                    words=[Word(w, x) for w, x in zip(known, weights[i, : len(known)].tolist(), strict=True)],
                    unknown_words=unknown,
                    blind=Score(self.answers[blind_answer], float(blind[i, blind_answer])),
                    seconds={"load": self.load_seconds, "photo": look.seconds, "question": seconds},
                    model=self.name,
                )
            )
        return answers

    @torch.inference_mode()
    def _answer(self, grid: Tensor, input_ids: Tensor, mask: Tensor, top: int) -> tuple[Tensor, ...]:
        photo_index = torch.zeros(len(input_ids), dtype=torch.long, device=self.device)
        output = self.model(input_ids.to(self.device), mask.to(self.device), grid=grid, photo_index=photo_index)
        probabilities = self.calibrated(output.logits)
        blind = (self.model.blind_logits(output.question) / self.config.blind_temperature).softmax(-1)
        scores, best = probabilities.topk(min(top, len(self.answers)))
        return best, scores, blind, output.attention.float(), output.word_weights.float()

    def calibrated(self, logits: Tensor) -> Tensor:
        """Logits `(…, A)` to probabilities that mean what they say (temperature scaling, Guo et al. 2017)."""
        return (logits / self.config.temperature).softmax(-1)

    def _words(self, question: str) -> tuple[list[str], list[str]]:
        words, unknown = self.processor.words(question)
        if len(unknown) == len(words):
            raise InputError(f"The model knows none of the words in {short(question)}; ask in plain English words.")
        return words, unknown


def _key(photo: Any) -> tuple[str, Any]:
    """A photo's content hash, and the photo in a form that can still be opened."""
    if isinstance(photo, str | Path) and Path(photo).is_file():
        return content_hash(photo), photo
    if isinstance(photo, bytes):
        return content_hash(photo), photo
    image = open_photo(photo)
    return pixels_hash(image), image
