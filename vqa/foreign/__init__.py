"""Models of transformers with the methods of `VQA`, so that they can be asked, measured and compared as ours is.

ViLT, BLIP, and every model that transformers can ask about a picture (image-text-to-text) answer, report their
attention, and are evaluated. What only a Glimpse model has (the words' weights, evidence by gradient) is missing.
"""

from typing import Any

from vqa.model.errors import InputError

ADAPTERS = {"vilt": "vqa.foreign.vilt", "blip": "vqa.foreign.blip"}  # by the model_type of its config.json
GENERAL = "vqa.foreign.image_text"


class Refused(InputError):
    """A model, or the server of one, cannot answer one question; it can be asked others."""


def refuse(who: str, **options: Any) -> None:
    """Raise `InputError` for options that change nothing; those that are None, 'auto' or False were not given."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value not in (None, "auto", False)]
    if given:
        raise InputError(f"{who} takes no {' and no '.join(given)}; leave {'it' if len(given) == 1 else 'them'} out.")


def adapter_for(name: str, config: dict[str, Any], trust_remote_code: bool = False) -> str | None:
    """The module of the adapter for a model with this config.json; None for a Glimpse model or an unknown file.

    Raises `InputError` for a model of transformers that reads no pictures, or that needs code of its own which is not
    trusted.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind.startswith("glimpse"):
        return None
    if kind in ADAPTERS:
        return ADAPTERS[kind]
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    if kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return GENERAL
    if "AutoModelForImageTextToText" in (config.get("auto_map") or {}):
        if trust_remote_code:
            return GENERAL
        raise InputError(
            f"The model {name} brings its own code; run it with --trust-remote-code if you trust its author."
        )
    if kind in CONFIG_MAPPING_NAMES or "auto_map" in config:
        raise InputError(
            f"The model {name} is of type {kind}, which transformers cannot ask about a picture; name a model for "
            "image-text-to-text."
        )
    return None
