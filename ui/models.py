"""The models that the app answers with: loaded behind the page, shared by everyone who asks."""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vqa.model.errors import InputError

if TYPE_CHECKING:
    from vqa.predict import VQA

KEPT = 2  # further models in memory at once
BUNDLED = "bundled"


class Models:
    """The app's own model, and others to compare it with.

    model: a checkpoint's folder or a Hub id, None for the bundled one. offered: names of further models that may be
    chosen. any_model: let whoever uses the page name any folder or Hub id (for a page on the user's own machine).
    runtime: see `VQA.load`.

    `load` loads the own model; until it is done, `get` waits, so that the page can be open before. `lock` is held
    while a model computes: several threads on one CPU would only be in each other's way.
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
        self.lock = threading.RLock()
        self._loaded: OrderedDict[str, VQA] = OrderedDict()
        self._ready = threading.Event()
        self._failure: Exception | None = None

    def load(self, vqa: "VQA | None" = None) -> None:
        """Load the own model, or take this one. Raises `InputError` if it cannot be read."""
        try:
            self._loaded[self.own] = vqa or self._read(self.own)
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._ready.set()

    def get(self, name: str | None = None) -> "VQA":
        """A model by its name; without one, the own. Raises `InputError` for one that is not offered."""
        self._ready.wait()
        if self._failure:
            raise self._failure
        name = (name or "").strip() or self.own
        if name not in self.offered and not self.any_model:
            raise InputError(f"The model {name[:80]!r} is not offered here; choose one of {', '.join(self.offered)}.")
        with self.lock:
            if name not in self._loaded:
                self._loaded[name] = self._read(name)
                others = [other for other in self._loaded if other != self.own]
                for other in others[:-KEPT]:
                    del self._loaded[other]
            if name != self.own:
                self._loaded.move_to_end(name)
            return self._loaded[name]

    def _read(self, name: str) -> "VQA":
        from vqa.predict import VQA  # takes seconds, in which the page is open already

        return VQA.load(None if name == BUNDLED else name, self.device, runtime=self.runtime)


def on_a_space() -> bool:
    """Whether this is a Hugging Face Space."""
    return "SPACE_ID" in os.environ


def static(name: str) -> Path:
    """A file that belongs to the page."""
    return Path(__file__).parent / "static" / name
