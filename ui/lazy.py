"""A small model that is loaded when it is first needed."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from vqa.model.errors import missing

T = TypeVar("T")


class Lazy(Generic[T]):
    """Calls `load` once, whoever asks first, and gives everybody what came of it.

    Raises `InputError` where a package that it needs is not installed, and as `load` does.
    """

    def __init__(self, load: Callable[[], T]):
        self._load = load
        self._lock = threading.Lock()
        self._found: T | None = None

    def get(self) -> T:
        with self._lock:
            if self._found is None:
                try:
                    self._found = self._load()
                except ModuleNotFoundError as error:
                    if told := missing(error):
                        raise told from error
                    raise
            return self._found
