"""The models of the app: loaded while the page is open already, shared by all users, whose simultaneous questions are
answered in one batch."""

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from vqa.model.errors import InputError, missing
from vqa.model.photos import open_photo

if TYPE_CHECKING:
    from vqa.captioning.describe import Describer
    from vqa.language.complete import Completer
    from vqa.language.repair import Repairer
    from vqa.model.text import Answer
    from vqa.predict import VQALike

TOGETHER = 32  # requests in a batch, at most
WAITING = 256  # requests in a queue; further ones are refused
MAX_FURTHER = 2  # further models in memory at once
BUNDLED = "bundled"
STEPS = ("the model", "the captioner", "the completions", "the repair of questions")
T = TypeVar("T")
importing = threading.RLock()  # held for what imports large packages: two threads that import the same one can fail


def once(load: Callable[[], T], after: "Future[Any]") -> Callable[[], T]:
    """A function that calls `load` in its first call, and returns the result in every call, from any thread.

    after: what must be there before. Raises its exception, `InputError` if a package that it needs is not installed,
    and whatever `load` raises.
    """
    lock, cached = threading.Lock(), functools.cache(load)

    def get() -> T:
        after.result()
        with importing, lock:
            try:
                return cached()
            except ModuleNotFoundError as error:
                raise (missing(error) or error) from None

    return get


class Asked(NamedTuple):
    """One user's questions about a decoded photo."""

    vqa: "VQALike"
    photo: Any
    questions: Sequence[str]
    answers: "Future[list[Answer]]"


class Batches:
    """The queue before the lock of a model: who gets the lock answers all who wait for it, in one batch.

    So nobody waits for others to come, and batches grow with the load. waiting: how many requests are not answered yet.
    """

    def __init__(self, lock: Any):
        self._lock, self._queue = lock, deque[Asked]()
        self._counting, self.waiting = threading.Lock(), 0

    def ask(self, vqa: "VQALike", photo: Any, questions: Sequence[str]) -> "list[Answer]":
        """As `VQA.ask_many`. The photo is decoded, and a bad request refused, before the model is locked."""
        self._count(1)
        try:
            for question in questions:
                vqa.check(question)
            asked = Asked(vqa, decode(vqa, photo), questions, Future())
            self._queue.append(asked)
            with self._lock:
                while not asked.answers.done():
                    batch = [self._queue.popleft() for _ in range(min(len(self._queue), TOGETHER))]
                    try:
                        self._answer(batch)
                    except BaseException:  # of this thread, which ends it; the others answer their questions themselves
                        self._queue.extendleft(one for one in batch if one is not asked and not one.answers.done())
                        raise
            return asked.answers.result()
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._counting:
            self.waiting += change

    def _answer(self, batch: list[Asked]) -> None:
        """Answer requests, those to the same model together; if that fails, each alone."""
        for vqa in {id(asked.vqa): asked.vqa for asked in batch}.values():
            some = [asked for asked in batch if asked.vqa is vqa]
            try:
                answers = ask_all(vqa, [asked.photo for asked in some], [asked.questions for asked in some])
            except Exception as error:
                if len(some) == 1:
                    some[0].answers.set_exception(error)
                else:
                    for asked in some:
                        self._answer([asked])
            else:
                for asked, answer in zip(some, answers, strict=True):
                    asked.answers.set_result(answer)


class Models:
    """The app's own model, others to compare it with, and the small models that describe, complete and repair.

    model: a checkpoint's folder or a Hub id, None for the bundled one. offered: names of further models that may be
    chosen. any_model: let users name any folder or Hub id (for a page on the user's own machine). device, load: see
    `VQA.load`.

    `load` loads the own model; until it is done, `get` waits, so that the page can be open before. `describer`,
    `completer` and `repairer` are functions that load in their first call; `load_further` calls them.
    """

    def __init__(
        self,
        model: str | None = None,
        device: str = "auto",
        offered: Sequence[str] = (),
        any_model: bool = False,
        **load: Any,
    ):
        self.own, self.any_model = model or BUNDLED, any_model
        self._load = {"device": device, **load}
        self.offered = list(dict.fromkeys([self.own, BUNDLED, *offered]))
        self.further = self.offered[1:]
        self.loading = STEPS[0]  # what is being loaded; '' when all is
        self._lock = threading.RLock()
        self.batches = Batches(self._lock)
        self._further = functools.lru_cache(MAX_FURTHER)(self._read)
        self._own: Future[VQALike] = Future()
        self.describer = once(self._load_describer, self._own)
        self.completer, self.repairer = once(_load_completer, self._own), once(_load_repairer, self._own)

    def load(self, vqa: "VQALike | None" = None) -> None:
        """Load the own model, or take this one. Raises `InputError` if it cannot be read."""
        try:
            with importing:
                self._own.set_result(vqa or self._read(self.own))
        except BaseException as error:  # with Ctrl-C, too, nothing is imported for those who wait
            self._own.set_exception(error if isinstance(error, Exception) else InputError("The app is ending."))
            raise
        self.loading = ""

    def load_further(self) -> None:
        """Load what the page needs after the own model, in that order. What cannot be loaded is reported when used."""
        for name, load in zip(STEPS[1:], (self.describer, self.completer, self.repairer), strict=True):
            self.loading = name
            with suppress(Exception):
                load()
        self.loading = ""

    @property
    def loaded(self) -> bool:
        """Whether the own model can answer."""
        return self._own.done() and self._own.exception() is None

    def get(self, name: str | None = None) -> "VQALike":
        """A model by its name; without one, the own. Raises `InputError` for one that is not offered."""
        own = self._own.result()
        name = (name or "").strip() or self.own
        if name == self.own:
            return own
        if name not in self.offered and not self.any_model:
            raise InputError(f"The model {name[:80]!r} is not offered here; choose one of {', '.join(self.offered)}.")
        with importing, self._lock:
            return self._further(name)

    @contextmanager
    def use(self) -> "Iterator[VQALike]":
        """The own model to compute with: one thread at a time, since several on one CPU would slow each other down."""
        vqa = self.get()
        with self._lock:
            yield vqa

    def ask(self, photo: bytes, questions: Sequence[str], name: str | None = None) -> "list[Answer]":
        """Ask a model, in one batch with whoever else asks now. Raises `InputError` as `get` and `VQA.ask_many`."""
        return self.batches.ask(self.get(name), photo, questions)

    def decode(self, photo: bytes) -> Any:
        """A photo for the methods of the own model, decoded while others use it. Raises `InputError`."""
        return decode(self.get(), photo)

    def _read(self, name: str) -> "VQALike":
        from vqa.predict import VQA  # takes seconds, in which the page is open already

        return VQA.load(None if name == BUNDLED else name, **self._load)

    def _load_describer(self) -> "Describer":
        from vqa.captioning.describe import Describer
        from vqa.predict import ours

        return Describer.load(vqa=ours(self.get(BUNDLED)))


def decode(vqa: "VQALike", photo: Any) -> Any:
    """The photo for the methods of a model, which need not be locked for this. Raises `InputError`."""
    return getattr(vqa, "decode", open_photo)(photo)


def ask_all(vqa: "VQALike", photos: Sequence[Any], questions: Sequence[Sequence[str]]) -> "list[list[Answer]]":
    """As `VQA.ask_all`, which a foreign model does not have."""
    if together := getattr(vqa, "ask_all", None):
        return together(photos, questions)
    return [vqa.ask_many(photo, some) for photo, some in zip(photos, questions, strict=True)]


class Part:
    """A part of the app, whose methods use the models."""

    def __init__(self, models: Models):
        self.models = models


def _load_completer() -> "Completer":
    from vqa.language.complete import Completer

    return Completer.load()


def _load_repairer() -> "Repairer":
    from vqa.language.repair import Repairer

    return Repairer.load()
