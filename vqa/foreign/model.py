"""A foreign model with the methods of `VQA`."""

import importlib
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from transformers.utils import logging

from vqa.checkpoint.find import WEIGHTS, unreadable, weights_hash
from vqa.foreign import ADAPTERS
from vqa.model.device import pick_device
from vqa.model.errors import InputError
from vqa.model.photos import open_photo, pixels_hash, shrink_to_show
from vqa.model.text import SURE, Answer, Score, check_question

CACHED_PHOTOS = 16

# Answers with their scores, the best first, and the attention `(h, w)`, summing to 1.
Ranked = tuple[list[tuple[str, float]], np.ndarray]


class Adapter(Protocol):
    """One kind of model, built of the network and its processor, whose classes are `classes`.

    answers: those that it can give, None if it writes them freely; note: a remark on its scores. encode: the part of
    the computation that depends on the photo alone; ask: one question about a photo as `encode` returns it.
    """

    classes: tuple[Any, Any]
    net: Any
    note: str

    @property
    def answers(self) -> list[str] | None: ...
    def encode(self, photo: Image.Image) -> Any: ...
    def ask(self, encoded: Any, question: str, top: int) -> Ranked: ...


class ForeignLook(NamedTuple):
    """A photo as the adapter encodes it; see `vqa.predict.Look`."""

    photo: Image.Image
    encoded: Any
    seconds: float


class ForeignVQA:
    """A foreign model with the methods of `vqa.predict.VQALike`, which asks one question after the other."""

    def __init__(self, adapter: Adapter, name: str, kind: str, folder: Path = Path(), load_seconds: float = 0.0):
        self.adapter, self.name, self.folder, self.load_seconds = adapter, name, folder, load_seconds
        self.kind: str | None = kind
        self.runtime, self.device, self.dtype = "torch", adapter.net.device, torch.float32
        self.answers = adapter.answers
        self._looks: dict[str, ForeignLook] = {}

    @classmethod
    def load(cls, folder: Path, name: str, kind: str, device: str) -> "ForeignVQA":
        """The model in a folder. Raises `InputError` as `read_pretrained` does."""
        start = time.perf_counter()
        adapter = importlib.import_module(ADAPTERS[kind]).Adapter
        net, processor = read_pretrained(folder, adapter.classes, pick_device(device))
        return cls(adapter(net, processor), name, kind, folder, time.perf_counter() - start)

    def look(self, photo: Any) -> ForeignLook:
        if isinstance(photo, ForeignLook):
            return photo
        start = time.perf_counter()
        image = open_photo(photo)
        look = self._looks.pop(key := pixels_hash(image), None)
        if look is None:
            with torch.inference_mode():
                encoded = self.adapter.encode(image)
            look = ForeignLook(shrink_to_show(image), encoded, time.perf_counter() - start)
        self._looks[key] = look  # the last used stands last
        if len(self._looks) > CACHED_PHOTOS:
            del self._looks[next(iter(self._looks))]
        return look

    def check(self, question: str) -> str:
        check_question(question)
        return ""

    def ask(self, photo: Any, question: str, top: int = 5) -> Answer:
        return self.ask_many(photo, [question], top)[0]

    def ask_many(self, photo: Any, questions: Sequence[str], top: int = 5) -> list[Answer]:
        if not questions:
            return []
        if top < 1:
            raise InputError(f"The number of top answers is {top}; ask for at least 1.")
        checked = [check_question(question) for question in questions]
        look = self.look(photo)
        return [self._answer(look, question, top) for question in checked]

    def _answer(self, look: ForeignLook, question: str, top: int) -> Answer:
        start = time.perf_counter()
        with torch.inference_mode():
            ranked, attention = self.adapter.ask(look.encoded, question, top)
        scores = [Score(*pair) for pair in ranked]
        return Answer(
            text=scores[0].answer,
            confidence=scores[0].score,
            top=scores,
            attention=attention[None],
            words=[],
            unknown_words=[],
            blind=None,
            photo_mattered=None,
            sure=scores[0].score >= SURE,
            glimpse=None,
            seconds={"load": self.load_seconds, "photo": look.seconds, "question": time.perf_counter() - start},
            model=self.name,
            note=self.adapter.note,
        )

    def weights_hash(self) -> str:
        return weights_hash(self.folder / WEIGHTS)

    def extra(self, name: str, kind: Any = dict) -> Any:
        return None  # it has no further files

    def fast(self) -> AbstractContextManager[None]:
        return nullcontext()


def read_pretrained(folder: Path, classes: tuple[Any, Any], device: torch.device) -> tuple[Any, Any]:
    """A model of transformers in evaluation mode, and its processor, of these classes.

    Raises `InputError` for a folder that is not complete, or whose weights are not safetensors or not all there.
    """
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"The model {folder} has no {WEIGHTS}, and no other weights are read; save it as safetensors.")
    model_class, processor_class = classes
    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model, report = model_class.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, attn_implementation="eager"
        )
        processor = processor_class.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises almost anything for a file that is missing or broken
        raise unreadable(folder, error) from error
    finally:
        if enabled:
            logging.enable_progress_bar()
    if missing := report["missing_keys"]:
        raise InputError(
            f"The model {folder} lacks {len(missing):,} tensors, such as {sorted(missing)[0]}; name a checkpoint that "
            f"was trained to answer questions ({model_class.__name__})."
        )
    return model.to(device).eval(), processor
