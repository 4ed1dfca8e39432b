"""Glimpse: ask a picture, see where it looked.

    from vqa import VQA
    VQA.load().ask("photo.jpg", "what is on the table?")

Importing this package is cheap: the heavy libraries load with the first name that needs them.
"""

import importlib
import os
from typing import TYPE_CHECKING

__version__ = "0.1.0"
# Or the ONNX runtime (1.29 and newer) reports each process that imports it to its maker; a user's own value stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from vqa.model.configuration import VQAConfig
    from vqa.model.errors import InputError
    from vqa.model.model import VQAModel
    from vqa.model.pipeline import VQAPipeline
    from vqa.model.processing import VQAProcessor
    from vqa.predict import VQA, Answer

_HOMES = {
    "VQA": "vqa.predict",
    "Answer": "vqa.predict",
    "InputError": "vqa.model.errors",
    "VQAConfig": "vqa.model.configuration",
    "VQAModel": "vqa.model.model",
    "VQAPipeline": "vqa.model.pipeline",
    "VQAProcessor": "vqa.model.processing",
}
# Importing one of these makes transformers' Auto classes know a checkpoint of ours.
FOR_TRANSFORMERS = {"VQAConfig", "VQAModel", "VQAPipeline", "VQAProcessor"}
__all__ = ["VQA", "Answer", "InputError", "VQAConfig", "VQAModel", "VQAPipeline", "VQAProcessor", "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vqa' has no attribute '{name}'")
    if name in FOR_TRANSFORMERS:
        importlib.import_module("vqa.checkpoint.auto").register()
    return getattr(importlib.import_module(_HOMES[name]), name)
