"""Hugging Face's ZeroGPU lends a GPU for the length of a call to functions that are marked for it."""

import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable)


def gpu(function: F) -> F:
    """The function, marked for ZeroGPU on a Space that has it (`SPACES_ZERO_GPU` is set there); elsewhere itself."""
    if not os.environ.get("SPACES_ZERO_GPU") or importlib.util.find_spec("spaces") is None:
        return function
    return importlib.import_module("spaces").GPU(function)
