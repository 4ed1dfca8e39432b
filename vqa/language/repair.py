"""Mending a mistyped question."""

from typing import Any

from vqa.language.characters import Characters
from vqa.language.repair_model import RepairModel

KIND = "glimpse-repair"


def build(config: dict[str, Any]) -> RepairModel:
    """The network of a configuration."""
    return RepairModel(Characters.from_list(config["characters"]).size, config["hidden"], config["embedding"])
