"""Visual question answering models of transformers behind the methods of `VQA`, so that they can be compared with ours.

A ViLT or BLIP checkpoint answers, shows where it looked, and is evaluated. What only our model can tell (the answer
without looking, the words' weights, evidence) it leaves out, and says so.
"""

import json
from pathlib import Path
from typing import Any

from vqa.checkpoint.find import CONFIG
from vqa.model.errors import InputError

ADAPTERS = {"vilt": "vqa.foreign.vilt", "blip": "vqa.foreign.blip"}


def foreign_type(folder: Path) -> str | None:
    """The kind of a checkpoint that is one of transformers' and can be asked; None for all others."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return None  # which reading it as ours will tell
    kind = config.get("model_type") if isinstance(config, dict) else None
    return kind if kind in ADAPTERS else None


def only_ours(vqa: Any) -> None:
    """Raises `InputError` for a model of others, whose inside we do not know."""
    if vqa.kind:
        raise InputError(
            f"{vqa.name} is a {vqa.kind} model and not one of ours: it can be asked, compared and evaluated, and "
            "nothing more; choose a Glimpse model for this."
        )
