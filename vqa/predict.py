"""`VQA`: load a model, give it a photo, ask questions."""

import importlib.util
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from vqa.checkpoint.find import CONFIG, Checkpoint, find_checkpoint, read_checkpoint, read_json, weights_hash
from vqa.foreign import adapter_for, refuse
from vqa.model.errors import InputError
from vqa.model.photos import DECODERS, content_hash, open_photo, pixels_hash, read_photo, resize, shrink_to_show, square
from vqa.model.text import Answer, Score, Word, check_known, is_sure, pad, short, temperature_for, tokenize, words
from vqa.runtimes import RUNTIMES, Engine, Logits, array, best_of, divergence, softmax

CACHED_PHOTOS = 16


class VQALike(Protocol):
    """What asking, comparing and evaluating need of a model: a `VQA`, or a `vqa.foreign.model.ForeignVQA`.

    name: 'bundled', a folder or a Hub id. kind: the type of a foreign model; None for a Glimpse model. answers: those
    that it can give; None if it writes them freely. runtime, device, dtype: how the image encoder computes.
    The methods are documented in `VQA`.
    """

    name: str
    kind: str | None
    folder: Path
    answers: Any
    runtime: str
    device: Any
    dtype: Any
    load_seconds: float

    def look(self, photo: Any) -> Any: ...
    def check(self, question: str) -> str: ...
    def ask(self, photo: Any, question: str, top: int = 5) -> Answer: ...
    def ask_many(self, photo: Any, questions: Sequence[str], top: int = 5) -> list[Answer]: ...
    def weights_hash(self) -> str: ...
    def extra(self, name: str, kind: Any = dict) -> Any: ...
    def fast(self) -> AbstractContextManager[None]: ...
    def square(self, photo: Any) -> np.ndarray: ...
    def scores(self, photo: Any, question: str, answers: Sequence[str]) -> list[float]: ...


@dataclass(frozen=True)
class Look:
    """An encoded photo: the image, scaled down to be drawn, and its grid `(1, N, D)`, an array of the runtime."""

    photo: Image.Image
    grid: Any = field(repr=False)
    seconds: float
    key: str = ""  # of the cache; "" for a look that is not cached


@dataclass(frozen=True)
class Decoded:
    """A photo before it is encoded: the image, scaled down to be drawn, and the model's square, `(S, S, 3)` bytes."""

    photo: Image.Image
    square: np.ndarray = field(repr=False)
    seconds: float
    key: str


class VQA:
    """A model that answers questions about photos. `VQA.load().ask("photo.jpg", "what is on the table?")`.

    An engine of `vqa.runtimes` computes; its arrays are PyTorch's tensors or NumPy's. Its `config`, `grid_size`,
    `runtime`, `device` and `dtype` are this object's too.
    """

    kind: str | None = None

    def __init__(self, name: str, checkpoint: Checkpoint, device: str, dtype: str, runtime: str):
        start = time.perf_counter()
        self.name, self.folder, self.checkpoint = name, checkpoint.folder, checkpoint
        self.engine = engine = open_engine(checkpoint, device, dtype, runtime)
        self.config, self.grid_size = engine.config, engine.grid_size
        self.runtime, self.device, self.dtype = engine.runtime, engine.device, engine.dtype
        self.answers: list[str] = self.config.answers
        self._looks: dict[str, Look] = {}
        self.load_seconds = time.perf_counter() - start

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        device: str = "auto",
        dtype: str = "auto",
        runtime: str = "auto",
        trust_remote_code: bool = False,
    ) -> VQALike:
        """The bundled model, a checkpoint's folder, or a Hub id; a model of transformers that answers questions about
        pictures is loaded as a `vqa.foreign.model.ForeignVQA`. Raises `InputError` if it cannot be read.

        runtime: 'torch'; 'onnx' or 'onnx-int8' for a folder that `train.export_onnx` wrote, without PyTorch; 'auto' is
        PyTorch where that is installed. dtype: of PyTorch's image encoder, or of all of a foreign model, 'float32',
        'bfloat16' or 'auto'. trust_remote_code: run Python code that a foreign model brings.
        """
        folder = find_checkpoint(model)
        name, config = "bundled" if model is None else str(model), read_json(folder / CONFIG)
        if module := adapter_for(name, config, trust_remote_code):
            refuse(f"The {config['model_type']} model {name}", runtime=None if runtime == "torch" else runtime)
            from vqa.foreign.model import ForeignVQA

            return ForeignVQA.load(folder, name, config["model_type"], module, device, dtype, trust_remote_code)
        return cls(name, read_checkpoint(folder, config), device, dtype, runtime)

    @property
    def model(self) -> Any:
        """The `VQAModel`. Questions are answered with a copy of its image encoder, made when it was loaded. Raises
        `InputError` in a runtime that has no such model, and so no gradients."""
        return self.engine.model

    def made_by(self) -> dict[str, Any]:
        """The provenance of this model's grids, which that of a feature store must equal."""
        return self.engine.made_by()

    def fast(self) -> AbstractContextManager[None]:
        """A context in which `logits` runs in the precision of the image encoder: twice as fast in bfloat16, for many
        questions at once. One answer in fifty changes; accuracy does not."""
        return self.engine.fast()

    def weights_hash(self) -> str:
        """A hash of the checkpoint's weights, 32 hexadecimal digits."""
        return weights_hash(*self.engine.weights)

    def extra(self, name: str, kind: Any = dict) -> Any:
        """A further JSON file of the checkpoint, such as `priors.json`, as a `kind`; None if there is none."""
        return read_json(self.folder / name, kind) if (self.folder / name).is_file() else None

    def square(self, photo: Any) -> np.ndarray:
        """Any photo that `open_photo` takes, resized whole to the model's square of `(S, S, 3)` bytes."""
        return square(photo, self.checkpoint.size)

    def encode_squares(self, squares: Any) -> Any:
        """Photos as `square` gives them, `(P, S, S, 3)`, to grids `(P, N, D)` in float32, the engine's own array."""
        return self.engine.encode_squares(squares)

    def words(self, question: str) -> tuple[list[str], list[str]]:
        """The question's words as the model reads them, and those that are not in its vocabulary."""
        return words(self.checkpoint.tokenizer, question)

    def check(self, question: str) -> str:
        """A remark if most of its words are unknown, else "". Raises `InputError` for a question that `ask` refuses."""
        tokenizer = self.checkpoint.tokenizer
        return check_known(question, *words(tokenizer, question, *tokenize(tokenizer, [question])))

    def encode(self, questions: Sequence[str]) -> tuple[Any, Any]:
        """Questions to `input_ids` and `attention_mask`, each `(B, T)`, the engine's own arrays.

        Raises `InputError` for a question that cannot be read.
        """
        input_ids, mask = pad(tokenize(self.checkpoint.tokenizer, questions))
        return self.engine.to_device(input_ids), self.engine.to_device(mask)

    def logits(
        self, grid: Any, questions: Sequence[str], photo_index: Any, image_only: bool = False, falls: bool = False
    ) -> Logits:
        """Many questions about many photos: grids `(P, N, D)`, B questions and the photo of each `(B,)`.

        image_only, falls: compute the logits of the head without the question, and how far the best answer's logit
        falls without each glimpse (see `VQAModel.falls`), too.
        """
        return self.engine.logits(grid, *self.encode(questions), photo_index, image_only, falls)

    def decode(self, photo: Any) -> Look | Decoded:
        """The part of `look` that does not compute with the model, for any thread: read and decode a photo.

        The result, a `Look` if the photo is cached, can be passed on in place of the photo.
        """
        if isinstance(photo, Look | Decoded):
            return photo
        start, size = time.perf_counter(), self.checkpoint.size
        is_open = isinstance(photo, Image.Image | np.ndarray)
        photo = open_photo(photo) if is_open else read_photo(photo)
        key = pixels_hash(photo) if is_open else content_hash(photo)
        if look := self._looks.get(key):
            return look
        with DECODERS:
            image = photo if is_open else open_photo(photo, size)
            pixels = resize(image, size)
            return Decoded(shrink_to_show(image), pixels, time.perf_counter() - start, key)

    def look(self, photo: Any) -> Look:
        """Encode a photo: a path, bytes, an open file, a Pillow image or an array `(H, W, 3)` of bytes.

        The result can be passed to `ask` in place of the photo. The grids of the last few photos are cached by content.
        """
        return self.look_at([photo])[0]

    def look_at(self, photos: Sequence[Any]) -> list[Look]:
        """`look` at each photo; new ones are encoded in one batch."""
        decoded = [self.decode(photo) for photo in photos]
        start, known = time.perf_counter(), {one.key: one for one in decoded if isinstance(one, Look)} | self._looks
        new = {one.key: one for one in decoded if isinstance(one, Decoded) and one.key not in known}
        if new:
            grids = self.encode_squares(np.stack([one.square for one in new.values()]))
            seconds = (time.perf_counter() - start) / len(new)
            for i, one in enumerate(new.values()):
                known[one.key] = Look(one.photo, grids[i : i + 1], one.seconds + seconds, one.key)
        looks = [one if isinstance(one, Look) else known[one.key] for one in decoded]
        for look in filter(lambda look: look.key, looks):
            self._looks.pop(look.key, None)
            self._looks[look.key] = look  # the last used stands last
        for key in list(self._looks)[:-CACHED_PHOTOS]:
            del self._looks[key]
        return looks

    def ask(self, photo: Any, question: str, top: int = 5) -> Answer:
        """One question about one photo. Raises `InputError` for a photo or a question that cannot be read."""
        return self.ask_many(photo, [question], top)[0]

    def ask_many(self, photo: Any, questions: Sequence[str], top: int = 5) -> list[Answer]:
        """Several questions about one photo, which is encoded once."""
        if isinstance(questions, str):
            raise InputError("The questions are one text; give a list of them, or call ask.")
        return self.ask_all([photo], [questions], top)[0]

    def ask_all(self, photos: Sequence[Any], questions: Sequence[Sequence[str]], top: int = 5) -> list[list[Answer]]:
        """The questions about each of several photos, all in one batch."""
        asked = [question for some in questions for question in some]
        if not asked:
            return [[] for _ in photos]
        if top < 1:
            raise InputError(f"The number of top answers is {top}; ask for at least 1.")
        tokenizer = self.checkpoint.tokenizer
        encodings = tokenize(tokenizer, asked)  # before the photos: a bad question is reported at once
        texts = [words(tokenizer, *pair) for pair in zip(asked, encodings, strict=True)]
        notes = [check_known(question, *text) for question, text in zip(asked, texts, strict=True)]
        looks = self.look_at(photos)
        start = time.perf_counter()
        photo_index = np.repeat(np.arange(len(looks)), [len(some) for some in questions])
        grid = looks[0].grid if len(looks) == 1 else np.concatenate([array(look.grid) for look in looks])
        output = self.engine.logits(grid, *pad(encodings), photo_index, falls=True)
        scores, blind = self.calibrated(output.logits), softmax(output.blind / self.config.blind_temperature)
        best, mattered = best_of(scores, top), divergence(scores, blind)
        seconds = (time.perf_counter() - start) / len(asked)
        answers = []
        for i, (every, unknown) in enumerate(texts):
            ranked = [Score(self.answers[a], float(scores[i, a])) for a in best[i]]
            guess = int(blind[i].argmax())
            answers.append(
                Answer(
                    text=ranked[0].answer,
                    confidence=ranked[0].score,
                    top=ranked,
                    attention=output.attention[i].reshape(-1, *self.grid_size),
                    words=[Word(*pair) for pair in zip(every, output.word_weights[i].tolist(), strict=False)],
                    unknown_words=unknown,
                    blind=Score(self.answers[guess], float(blind[i, guess])),
                    photo_mattered=float(mattered[i]),
                    sure=is_sure(self.config, *ranked[0]) and not notes[i],
                    glimpse=None if output.falls is None else int(output.falls[i].argmax()),
                    seconds={"load": self.load_seconds, "photo": looks[photo_index[i]].seconds, "question": seconds},
                    model=self.name,
                    note=notes[i],
                )
            )
        of_each = iter(answers)
        return [list(islice(of_each, len(some))) for some in questions]

    def scores(self, photo: Any, question: str, answers: Sequence[str]) -> list[float]:
        """The calibrated probability of each of these answers. Raises `InputError` for one that is not the model's."""
        indices = [self.answer_index(answer) for answer in answers]
        (every,) = self.calibrated(self.logits(self.look(photo).grid, [question], np.zeros(1, np.int64)).logits)
        return every[indices].tolist()

    def answer_index(self, answer: str) -> int:
        """The index of an answer in the model's list. Raises `InputError` if it is not there."""
        if answer not in self.answers:
            raise InputError(f"The model has no answer {short(str(answer))}; choose one of those that it names.")
        return self.answers.index(answer)

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Logits `(…, A)` to calibrated probabilities (temperature scaling, Guo et al. 2017)."""
        best, confidence = logits.argmax(-1), softmax(logits).max(-1)
        pairs = zip(best.ravel(), confidence.ravel().tolist(), strict=True)
        temperatures = [temperature_for(self.config, self.answers[answer], p) for answer, p in pairs]
        return softmax(logits / np.array(temperatures, logits.dtype).reshape(*best.shape, 1))


def ours(vqa: VQALike) -> VQA:
    """The model itself. Raises `InputError` for a foreign one, of which only the answers are known."""
    if isinstance(vqa, VQA):
        return vqa
    raise InputError(
        f"{vqa.name} is a {vqa.kind} model and not a Glimpse model: it can be asked, compared and evaluated, and "
        "nothing more; choose a Glimpse model for this."
    )


def open_engine(checkpoint: Checkpoint, device: str, dtype: str, runtime: str) -> Engine:
    """The engine for a checkpoint; runtime: see `VQA.load`. Raises `InputError` for an unknown or missing runtime, or a
    checkpoint that it cannot read."""
    if runtime == "auto":
        runtime = "torch" if importlib.util.find_spec("torch") else "onnx"
    if (package := RUNTIMES.get(runtime)) is None:
        raise InputError(f"There is no runtime {runtime!r}; choose one of auto, {', '.join(RUNTIMES)}.")
    if importlib.util.find_spec(package) is None:
        message = f"The runtime '{runtime}' needs {package}, which is not installed"
        raise InputError(f"{message}; run: pip install {package}.")
    if runtime == "torch":
        from vqa.runtimes.pytorch import TorchEngine

        return TorchEngine(checkpoint, device, dtype)
    from vqa.runtimes.onnx import OnnxEngine

    return OnnxEngine(checkpoint, device, dtype, runtime)
