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

from vqa.checkpoint.find import unreadable, weights_hash
from vqa.covering import GREY, coarse_to_fine
from vqa.data.metric import normalize_answer
from vqa.foreign import Refused, calibration
from vqa.foreign.computing import computing
from vqa.model.device import fast_dtype, pick_device
from vqa.model.errors import InputError
from vqa.model.photos import open_photo, pixels_hash, shrink_to_show
from vqa.model.text import SURE, Answer, Score, answer_kind, check_question
from vqa.runtimes import divergence


class Reply(NamedTuple):
    """Answers with their scores, the best first, and the attention `(h, w)`, summing to 1; None if it is not known."""

    ranked: list[tuple[str, float]]
    attention: np.ndarray | None


class Adapter(Protocol):
    """One kind of model, built of the network and its processor, whose classes are `classes`.

    answers: those that it can give, None if it writes them freely; note: a remark on its scores; photos: how many
    encoded photos to cache; blind: whether an answer comes with that about a grey photo. encode: the part of the
    computation that depends on the photo alone; ask: questions about a photo as `encode` returns it; score: the scores
    that given answers have.
    """

    classes: tuple[Any, Any]
    net: Any
    note: str
    photos: int
    blind: bool

    @property
    def answers(self) -> list[str] | None: ...
    def encode(self, photo: Image.Image) -> Any: ...
    def ask(self, encoded: Any, questions: Sequence[str], top: int) -> list[Reply]: ...
    def score(self, encoded: Any, question: str, answers: Sequence[str]) -> list[float]: ...


class ForeignLook(NamedTuple):
    """A photo as the adapter encodes it; see `vqa.predict.Look`."""

    photo: Image.Image
    encoded: Any
    seconds: float


class ForeignVQA:
    """A foreign model with the methods of `vqa.predict.VQALike`."""

    def __init__(self, adapter: Adapter, name: str, kind: str, folder: Path = Path(), load_seconds: float = 0.0):
        self.adapter, self.name, self.folder, self.load_seconds = adapter, name, folder, load_seconds
        self.kind: str | None = kind
        self.runtime, self.device, self.dtype = "torch", adapter.net.device, adapter.net.dtype
        self.answers = adapter.answers
        self.temperatures = calibration.read(name)
        self._looks: dict[str, ForeignLook] = {}
        self._grey: Any = None

    @classmethod
    def load(
        cls, folder: Path, name: str, kind: str, module: str, device: str, dtype: str = "auto", trust: bool = False
    ) -> "ForeignVQA":
        """The model in a folder, by the adapter in `module`; trust: run Python code of the folder.

        dtype: 'float32', 'bfloat16', 'float16' or 'auto'. Raises `InputError` as `read_pretrained` does.
        """
        start, place = time.perf_counter(), pick_device(device)
        adapter = importlib.import_module(module).Adapter
        if dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise InputError(f"The precision '{dtype}' is not one of auto, float32, bfloat16, float16.")
        precision = fast_dtype(place) if dtype == "auto" else getattr(torch, dtype)
        if dtype == "auto" and not adapter.blind:
            precision = torch.float32  # ViLT and BLIP are small
        net, processor = read_pretrained(folder, adapter.classes, place, precision, trust)
        return cls(adapter(net, processor), name, kind, folder, time.perf_counter() - start)

    @computing
    def look(self, photo: Any) -> ForeignLook:
        """Encode a photo; see `VQA.look`."""
        if isinstance(photo, ForeignLook):
            return photo
        start = time.perf_counter()
        image = open_photo(photo)
        look = self._looks.pop(key := pixels_hash(image), None)
        if look is None:
            encoded = self.adapter.encode(image)
            look = ForeignLook(shrink_to_show(image.copy()), encoded, time.perf_counter() - start)
        self._looks[key] = look  # the last used stands last
        if len(self._looks) > self.adapter.photos:
            del self._looks[next(iter(self._looks))]
        return look

    def check(self, question: str) -> str:
        check_question(question)
        return ""

    def ask(self, photo: Any, question: str, top: int = 5) -> Answer:
        return self.ask_many(photo, [question], top)[0]

    @computing
    def ask_many(self, photo: Any, questions: Sequence[str], top: int = 5, blind: bool = True) -> list[Answer]:
        """See `VQA.ask_many`; blind: leave the answer without the photo out if False, which saves half the time."""
        if not questions:
            return []
        if top < 1:
            raise InputError(f"The number of top answers is {top}; ask for at least 1.")
        checked = [check_question(question) for question in questions]
        look = self.look(photo)
        start = time.perf_counter()
        replies = self.adapter.ask(look.encoded, checked, top)
        without: Sequence[Reply | None] = [None] * len(checked)
        if blind and self.adapter.blind:
            without = self.adapter.ask(self.grey(), checked, 1)
        mattered = [
            None if grey is None else self._mattered(look, question, reply, grey)
            for question, reply, grey in zip(checked, replies, without, strict=True)
        ]
        seconds = (time.perf_counter() - start) / len(checked)
        return [self._answer(look, *row, seconds) for row in zip(checked, replies, without, mattered, strict=True)]

    @computing
    def ask_without(self, questions: Sequence[str]) -> list[Score | None]:
        """The answers without a photo, None where the model cannot be asked so."""
        without = getattr(self.adapter, "without_photo", lambda question: None)
        return [answer and Score(*answer) for answer in map(without, questions)]

    @computing
    def scores(self, photo: Any, question: str, answers: Sequence[str]) -> list[float]:
        """The confidence of each of these answers to a question, whether or not it is the best."""
        scores = self.adapter.score(self.look(photo).encoded, check_question(question), answers)
        return [self._calibrated(*pair) for pair in zip(answers, scores, strict=True)]

    @computing
    def grey(self) -> Any:
        """A grey photo, encoded."""
        if self._grey is None:
            self._grey = self.adapter.encode(GREY)
        return self._grey

    def square(self, photo: Any) -> np.ndarray:
        """A photo `(H, W, 3)` as it is drawn; these models resize photos themselves."""
        return np.asarray(shrink_to_show(open_photo(photo).copy()))

    def _calibrated(self, answer: str, score: float) -> float:
        if not np.isfinite(score):
            raise Refused(f"The model {self.name} computes undefined scores; try --dtype float32, or copy it again.")
        return calibration.calibrated(score, self.temperatures.get(answer_kind(normalize_answer(answer)), 1.0))

    def _scores(self, reply: Reply) -> list[Score]:
        """The best answer's score is calibrated, the others' follow in proportion."""
        (answer, best), *_ = reply.ranked
        scale = self._calibrated(answer, best) / max(best, 1e-12)
        return [Score(name, score * scale) for name, score in reply.ranked]

    def _mattered(self, look: ForeignLook, question: str, reply: Reply, without: Reply) -> float:
        """The Jensen-Shannon divergence, see `Answer`, over the best answers with the photo and that without it."""
        answers = list(dict.fromkeys(name for name, _ in [*reply.ranked, *without.ranked] if name))
        if not answers:
            return 0.0
        pair = [self.adapter.score(encoded, question, answers) for encoded in (look.encoded, self.grey())]
        p, q = (np.array(scores) / max(sum(scores), 1e-12) for scores in pair)
        return float(divergence(p, q))

    def _answer(
        self,
        look: ForeignLook,
        question: str,
        reply: Reply,
        blind: Reply | None,
        mattered: float | None,
        seconds: float,
    ) -> Answer:
        scores, attention = self._scores(reply), reply.attention
        if attention is None:
            attention = self.occlusion(look.photo, question, scores[0].answer).clip(min=0)
            attention = (
                attention / attention.sum() if attention.sum() > 0 else np.full_like(attention, 1 / attention.size)
            )
        return Answer(
            text=scores[0].answer,
            confidence=scores[0].score,
            top=scores,
            attention=attention[None],
            words=[],
            unknown_words=[],
            blind=None if blind is None else self._scores(blind)[0],
            photo_mattered=mattered,
            sure=scores[0].score >= SURE,
            glimpse=None,
            seconds={"load": self.load_seconds, "photo": look.seconds, "question": seconds},
            model=self.name,
            note=self.adapter.note + (" It is calibrated." if self.temperatures else " It is not calibrated."),
        )

    @torch.inference_mode()
    def occlusion(self, photo: Any, question: str, answer: str) -> np.ndarray:
        """How far an answer's score falls when parts of the photo are covered, from coarse to fine: `(8, 8)`."""

        def score(image: Image.Image) -> float:
            return self._calibrated(answer, self.adapter.score(self.adapter.encode(image), question, [answer])[0])

        return coarse_to_fine(open_photo(photo), score)

    def weights_hash(self) -> str:
        return weights_hash(*sorted(self.folder.glob("*.safetensors")))

    def extra(self, name: str, kind: Any = dict) -> Any:
        return None  # it has no further files

    def fast(self) -> AbstractContextManager[None]:
        return nullcontext()


def read_pretrained(
    folder: Path, classes: tuple[Any, Any], device: torch.device, dtype: torch.dtype, trust: bool = False
) -> tuple[Any, Any]:
    """A model of transformers in evaluation mode, and its processor, of these classes.

    trust: run Python code of the folder. Raises `InputError` for a folder that is not complete, or whose weights are
    not safetensors or not all there.
    """
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"The model {folder} has no model.safetensors, and no other weights are read; save it as safetensors."
        )
    model_class, processor_class = classes
    common: dict[str, Any] = {"local_files_only": True} | ({"trust_remote_code": True} if trust else {})
    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        loading = {"use_safetensors": True, "output_loading_info": True, "attn_implementation": "eager", "dtype": dtype}
        model, report = model_class.from_pretrained(folder, **loading, **common)
        processor = processor_class.from_pretrained(folder, **common)
    except ImportError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"The model {folder} needs a further package ({reason:.200}); install that, too.") from error
    except Exception as error:  # transformers raises almost anything for a file that is missing or broken
        raise unreadable(folder, error) from error
    finally:
        if enabled:
            logging.enable_progress_bar()
    if lacking := report["missing_keys"]:
        raise InputError(
            f"The model {folder} lacks {len(lacking):,} tensors, such as {sorted(lacking)[0]}; name a checkpoint that "
            f"was trained to answer questions ({type(model).__name__})."
        )
    return model.to(device).eval(), processor
