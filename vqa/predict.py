"""The one door: load a model, show it a photo, ask."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from vqa.checkpoint.find import find_checkpoint, read_json, weights_hash
from vqa.foreign import foreign_type
from vqa.model.answer import Answer, Score, Word, temperature_for
from vqa.model.errors import InputError
from vqa.model.photos import content_hash, open_photo, pixels_hash
from vqa.model.reading import check_known
from vqa.runtimes import Logits, array, open_engine, softmax

PHOTOS_KEPT = 16


@dataclass(frozen=True)
class Look:
    """A photo that the model has seen: the picture and its grid `(1, N, D)`, an array of the model's own runtime, kept
    for the next question."""

    photo: Image.Image
    grid: Any = field(repr=False)
    seconds: float


class VQA:
    """A model that answers. `VQA.load().ask("photo.jpg", "what is on the table?")`.

    Nothing here computes: that is done by an engine of `vqa.runtimes`, whose arrays are its own (PyTorch's tensors,
    or NumPy's). Its `config`, `processor`, `grid_size`, `runtime`, `device` and `dtype` are the door's too.
    """

    kind: str | None = None
    """What another's model is (see `vqa.foreign`); None for ours."""

    def __init__(
        self,
        model: str | Path | None = None,
        device: str = "auto",
        dtype: str = "auto",
        runtime: str = "auto",
        folder: Path | None = None,
    ):
        start = time.perf_counter()
        self.name = str(model) if model is not None else "bundled"
        self.folder = folder or find_checkpoint(model)
        self.engine = engine = open_engine(runtime, self.folder, device, dtype)
        self.config, self.processor, self.grid_size = engine.config, engine.processor, engine.grid_size
        self.runtime, self.device, self.dtype = engine.runtime, engine.device, engine.dtype
        self.answers: list[str] = self.config.answers
        self._seen: OrderedDict[str, Look] = OrderedDict()
        self.load_seconds = time.perf_counter() - start

    @classmethod
    def load(
        cls, model: str | Path | None = None, device: str = "auto", dtype: str = "auto", runtime: str = "auto"
    ) -> "VQA":
        """The bundled model, a checkpoint's folder, or a Hub id; a ViLT or BLIP model of transformers comes with the
        same methods, as a `vqa.foreign.model.ForeignVQA`. Raises `InputError` if it cannot be read.

        runtime: 'torch'; 'onnx' or 'onnx-int8' for a folder that `train.export_onnx` wrote, without PyTorch; 'auto' is
        PyTorch where that is installed. dtype: of PyTorch's image encoder, 'float32', 'bfloat16' or 'auto'.
        """
        if (kind := foreign_type(folder := find_checkpoint(model))) is not None:
            from vqa.foreign.model import ForeignVQA

            return cast(VQA, ForeignVQA(folder, str(model), kind, device))  # not its heir, but it answers as it does
        return cls(model, device, dtype, runtime, folder)

    @property
    def model(self) -> Any:
        """The `VQAModel` itself. Raises `InputError` in a runtime that has none, and so no gradients."""
        return self.engine.model

    def made_by(self) -> dict[str, Any]:
        """What makes this model's grids: a feature store must have been made by the same."""
        return self.engine.made_by()

    def fast(self) -> AbstractContextManager[None]:
        """Inside it `logits` runs in the precision of the image encoder: twice as fast in bfloat16, for many questions
        at once. One answer in fifty changes; accuracy does not."""
        return self.engine.fast()

    def weights_hash(self) -> str:
        """32 hexadecimal digits that name the checkpoint's weights."""
        return weights_hash(*self.engine.weights)

    def extra(self, name: str) -> Any:
        """The content of a further JSON file of the checkpoint, such as `priors.json`; None if it has none."""
        return read_json(self.folder / name) if (self.folder / name).is_file() else None

    def logits(self, grid: Any, questions: Sequence[str], photo_index: Any) -> Logits:
        """Many questions about many photos: grids `(P, N, D)`, B questions and the photo of each `(B,)`."""
        input_ids, mask = self.processor.encode(questions)
        return self.engine.logits(grid, input_ids, mask, photo_index)

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
        grid = self.encode_squares(self.processor.image_processor.square(image)[None].copy())
        self._seen[key] = look = Look(image, grid, time.perf_counter() - start)
        if len(self._seen) > PHOTOS_KEPT:
            self._seen.popitem(last=False)
        return look

    def encode_squares(self, squares: Any) -> Any:
        """`(P, S, S, 3)` bytes, photos resized to the model's square, to grids `(P, N, D)` in float32."""
        return self.engine.encode_squares(squares)

    def ask(self, photo: Any, question: str, top: int = 5) -> Answer:
        """One question about one photo. Raises `InputError` for a photo or a question that cannot be read."""
        return self.ask_many(photo, [question], top)[0]

    def ask_many(self, photo: Any, questions: Sequence[str], top: int = 5) -> list[Answer]:
        """Several questions about one photo, which is encoded once."""
        if not questions:
            return []
        if top < 1:
            raise InputError(f"The number of top answers is {top}; ask for at least 1.")
        input_ids, mask = self.processor.encode(questions)  # before the photo: a bad question is told at once
        words = [self._words(question) for question in questions]
        look = self.look(photo)
        start = time.perf_counter()
        found = self.engine.logits(look.grid, input_ids, mask, np.zeros(len(questions), np.int64))
        scores = self.calibrated(found.logits)
        blind = softmax(array(found.blind) / self.config.blind_temperature)
        attention, weights = array(found.attention), array(found.word_weights)
        seconds = (time.perf_counter() - start) / len(questions)
        answers = []
        for i, (known, unknown) in enumerate(words):
            best = (-scores[i]).argsort(kind="stable")[:top]
            ranked = [Score(self.answers[a], float(scores[i, a])) for a in best]
            blind_answer = int(blind[i].argmax())
            answers.append(
                Answer(
                    text=ranked[0].answer,
                    confidence=ranked[0].score,
                    top=ranked,
                    attention=attention[i].reshape(-1, *self.grid_size),
                    words=[Word(w, x) for w, x in zip(known, weights[i, : len(known)].tolist(), strict=True)],
                    unknown_words=unknown,
                    blind=Score(self.answers[blind_answer], float(blind[i, blind_answer])),
                    seconds={"load": self.load_seconds, "photo": look.seconds, "question": seconds},
                    model=self.name,
                )
            )
        return answers

    def calibrated(self, logits: Any) -> np.ndarray:
        """Logits `(…, A)` to probabilities that mean what they say (temperature scaling, Guo et al. 2017)."""
        scores = array(logits)
        best = scores.argmax(-1)
        temperatures = [temperature_for(self.config, self.answers[answer]) for answer in best.ravel()]
        return softmax(scores / np.array(temperatures, scores.dtype).reshape(*best.shape, 1))

    def _words(self, question: str) -> tuple[list[str], list[str]]:
        words, unknown = self.processor.words(question)
        check_known(question, words, unknown)
        return words, unknown


def _key(photo: Any) -> tuple[str, Any]:
    """A photo's content hash, and the photo in a form that can still be opened."""
    if isinstance(photo, str | Path) and Path(photo).is_file():
        return content_hash(photo), photo
    if isinstance(photo, bytes):
        return content_hash(photo), photo
    image = open_photo(photo)
    return pixels_hash(image), image
