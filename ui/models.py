"""The models of the app: loaded while the page is open already, shared by all users."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from vqa.model.errors import InputError, missing

if TYPE_CHECKING:
    from vqa.captioning.describe import Describer
    from vqa.language.complete import Completer
    from vqa.language.repair import Repairer
    from vqa.predict import VQA

MAX_FURTHER = 2  # further models in memory at once
BUNDLED = "bundled"
T = TypeVar("T")


def once(load: "Callable[[Models], T]") -> "Callable[[Models], T]":
    """A method that loads something in its first call, and returns it in every call, from any thread.

    Raises `InputError` if a package that it needs is not installed, and whatever the method raises.
    """
    lock, name = threading.Lock(), f"_{load.__name__}"

    @functools.wraps(load)
    def get(models: "Models") -> T:
        with lock:
            if name not in models.__dict__:
                try:
                    setattr(models, name, load(models))
                except ModuleNotFoundError as error:
                    if sentence := missing(error):
                        raise sentence from error
                    raise
            return getattr(models, name)

    return get


class Models:
    """The app's own model, others to compare it with, and the small models that describe, complete and repair.

    model: a checkpoint's folder or a Hub id, None for the bundled one. offered: names of further models that may be
    chosen. any_model: let users name any folder or Hub id (for a page on the user's own machine). runtime: see
    `VQA.load`.

    `load` loads the own model; until it is done, `get` waits, so that the page can be open before.
    """

    def __init__(
        self,
        model: str | None = None,
        device: str = "auto",
        offered: Sequence[str] = (),
        any_model: bool = False,
        runtime: str = "auto",
    ):
        self.own, self.device, self.any_model, self.runtime = model or BUNDLED, device, any_model, runtime
        self.offered = list(dict.fromkeys([self.own, BUNDLED, *offered]))
        self._lock, self._ready = threading.RLock(), threading.Event()
        self._further = functools.lru_cache(MAX_FURTHER)(self._read)
        self._own: VQA | Exception

    def load(self, vqa: "VQA | None" = None) -> None:
        """Load the own model, or take this one. Raises `InputError` if it cannot be read."""
        try:
            self._own = vqa or self._read(self.own)
        except Exception as error:
            self._own = error
            raise
        finally:
            self._ready.set()

    def get(self, name: str | None = None) -> "VQA":
        """A model by its name; without one, the own. Raises `InputError` for one that is not offered."""
        self._ready.wait()
        if isinstance(self._own, Exception):
            raise self._own
        name = (name or "").strip() or self.own
        if name == self.own:
            return self._own
        if name not in self.offered and not self.any_model:
            raise InputError(f"The model {name[:80]!r} is not offered here; choose one of {', '.join(self.offered)}.")
        with self._lock:
            return self._further(name)

    @contextmanager
    def use(self, name: str | None = None) -> "Iterator[VQA]":
        """`get` a model to compute with: one thread at a time, since several on one CPU would slow each other down."""
        vqa = self.get(name)
        with self._lock:
            yield vqa

    def _read(self, name: str) -> "VQA":
        from vqa.predict import VQA  # takes seconds, in which the page is open already

        return VQA.load(None if name == BUNDLED else name, self.device, runtime=self.runtime)

    @once
    def describer(self) -> "Describer":
        """The captioner, which reads the bundled model's grids."""
        from vqa.captioning.describe import Describer

        return Describer.load(vqa=self.get(BUNDLED))

    @once
    def completer(self) -> "Completer":
        from vqa.language.complete import Completer

        return Completer.load()

    @once
    def repairer(self) -> "Repairer":
        from vqa.language.repair import Repairer

        return Repairer.load()
