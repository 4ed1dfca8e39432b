"""Glimpse: ask a picture, see where it looked.

    from vqa import VQA
    VQA.load().ask("photo.jpg", "what is on the table?")

Importing this package is cheap: the heavy libraries load with the first name that needs them.
"""

import importlib
from typing import TYPE_CHECKING

from vqa.auto import register

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vqa.configuration import VQAConfig
    from vqa.errors import InputError
    from vqa.model import VQAModel
    from vqa.pipeline import VQAPipeline
    from vqa.predict import VQA, Answer
    from vqa.processing import VQAProcessor

_HOMES = {
    "VQA": "vqa.predict",
    "Answer": "vqa.predict",
    "InputError": "vqa.errors",
    "VQAConfig": "vqa.configuration",
    "VQAModel": "vqa.model",
    "VQAPipeline": "vqa.pipeline",
    "VQAProcessor": "vqa.processing",
}
__all__ = ["VQA", "Answer", "InputError", "VQAConfig", "VQAModel", "VQAPipeline", "VQAProcessor", "__version__"]

register()  # so that transformers' Auto classes know a checkpoint of ours


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vqa' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
