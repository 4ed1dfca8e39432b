"""The door to another's model."""

import importlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np
import torch
from PIL import Image
from transformers.utils import logging

from vqa.checkpoint.find import WEIGHTS, weights_hash
from vqa.foreign import ADAPTERS, only_ours
from vqa.model.answer import Answer, Score
from vqa.model.device import pick_device
from vqa.model.errors import InputError
from vqa.model.photos import open_photo, pixels_hash
from vqa.model.reading import check_question

PHOTOS_KEPT = 16
# What only our own models have.
OURS = ("engine", "grid_size", "model", "config", "processor", "logits", "encode_squares", "calibrated", "made_by")


class Said(NamedTuple):
    """Answers with their scores, the best first, and where the model looked: `(h, w)`, summing to 1."""

    top: list[tuple[str, float]]
    attention: np.ndarray


class Adapter(Protocol):
    """One kind of model, made of the model and its processor, whose `classes` it names.

    answers: those that it can give, None if it writes them freely; note: what its scores mean.
    """

    classes: tuple[Any, Any]
    answers: list[str] | None
    note: str

    def see(self, photo: Image.Image) -> Any:
        """What is worth keeping of a photo."""

    def ask(self, seen: Any, question: str, top: int) -> Said:
        """One question about a photo as `see` gave it."""


class ForeignLook(NamedTuple):
    """A photo that the model has seen, kept for the next question; see `vqa.predict.Look`."""

    photo: Image.Image
    seen: Any
    seconds: float


class ForeignVQA:
    """Another's model with the methods of `VQA` that asking, comparing and evaluating need.

    answers: those that it can give, None if it writes them freely.
    """

    def __init__(self, folder: Path, name: str, kind: str, device: str = "auto"):
        start = time.perf_counter()
        self.folder, self.name, self.kind = folder, name, kind
        self.runtime, self.device, self.dtype = "torch", pick_device(device), torch.float32
        adapter = importlib.import_module(ADAPTERS[kind]).Adapter
        net, processor = adapter.classes
        self.adapter: Adapter = adapter(*read_pretrained(folder, net, processor, self.device))
        self.answers = self.adapter.answers
        self._seen: OrderedDict[str, ForeignLook] = OrderedDict()
        self.load_seconds = time.perf_counter() - start

    def look(self, photo: Any) -> ForeignLook:
        """As `VQA.look`."""
        if isinstance(photo, ForeignLook):
            return photo
        start = time.perf_counter()
        image = open_photo(photo)
        key = pixels_hash(image)
        if key not in self._seen:
            with torch.inference_mode():
                self._seen[key] = ForeignLook(image, self.adapter.see(image), time.perf_counter() - start)
        self._seen.move_to_end(key)
        if len(self._seen) > PHOTOS_KEPT:
            self._seen.popitem(last=False)
        return self._seen[key]

    def ask(self, photo: Any, question: str, top: int = 5) -> Answer:
        """As `VQA.ask`."""
        return self.ask_many(photo, [question], top)[0]

    def ask_many(self, photo: Any, questions: Sequence[str], top: int = 5) -> list[Answer]:
        """As `VQA.ask_many`, one question after the other."""
        if top < 1:
            raise InputError(f"The number of top answers is {top}; ask for at least 1.")
        checked = [check_question(question) for question in questions]
        if not checked:
            return []
        look = self.look(photo)
        return [self._answer(look, question, top) for question in checked]

    def _answer(self, look: ForeignLook, question: str, top: int) -> Answer:
        start = time.perf_counter()
        with torch.inference_mode():
            said = self.adapter.ask(look.seen, question, top)
        ranked = [Score(answer, score) for answer, score in said.top]
        return Answer(
            text=ranked[0].answer,
            confidence=ranked[0].score,
            top=ranked,
            attention=said.attention[None],
            words=[],
            unknown_words=[],
            blind=None,
            seconds={"load": self.load_seconds, "photo": look.seconds, "question": time.perf_counter() - start},
            model=self.name,
            note=self.adapter.note,
        )

    def weights_hash(self) -> str:
        """As `VQA.weights_hash`."""
        return weights_hash(self.folder / WEIGHTS)

    def extra(self, name: str) -> Any:
        """None: it has no further files that we know."""
        return None

    def fast(self) -> AbstractContextManager[None]:
        """Nothing is faster inside it."""
        return nullcontext()

    def __getattr__(self, name: str) -> NoReturn:
        if name in OURS:
            only_ours(self)
        raise AttributeError(name)


def read_pretrained(folder: Path, model_class: Any, processor_class: Any, device: torch.device) -> tuple[Any, Any]:
    """A model of transformers in evaluation mode, and its processor.

    Raises `InputError` for a folder that is not complete, or whose weights are not safetensors or not all there.
    """
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"The model {folder} has no {WEIGHTS}, and no other weights are read; save it as safetensors.")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model, found = model_class.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, attn_implementation="eager"
        )
        processor = processor_class.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises almost anything for a file that is missing or broken
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(f"The model {folder} cannot be read ({reason:.200}); copy the whole folder again.") from error
    finally:
        if shown:
            logging.enable_progress_bar()
    if missing := found["missing_keys"]:
        raise InputError(
            f"The model {folder} lacks {len(missing):,} tensors, such as {sorted(missing)[0]}; name a checkpoint that "
            f"was trained to answer questions ({model_class.__name__})."
        )
    return model.to(device).eval(), processor
