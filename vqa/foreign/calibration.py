"""Temperatures that calibrate a foreign model's confidence, in the user's cache and never in the model's folder."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqa.data.files import file_errors, read_json, write_json
from vqa.model.text import KINDS

FEWEST = 20  # answers of a kind; for fewer its temperature is that of all
TEMPERATURES = np.geomspace(0.1, 10, 201)


@dataclass
class Stored:
    """What `read` needs of a model's file."""

    temperatures: dict[str, float]


def cache_folder() -> Path:
    """Where what is remembered of other models lies: Glimpse's folder in the user's cache."""
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache") / "glimpse"
    )


def place(name: str) -> Path:
    """The file for a model, named by its Hub id or its folder."""
    full = str(Path(name).resolve()) if os.path.isdir(name) else name
    digest = hashlib.blake2b(full.encode(), digest_size=6).hexdigest()
    return cache_folder() / "calibration" / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', Path(name).name)}-{digest}.json"


def read(name: str) -> dict[str, float]:
    """The temperatures by answer kind; {} if the model was never calibrated. Raises `InputError` for a broken file."""
    path = place(name)
    if not path.is_file():
        return {}
    stored = read_json(path, "delete it and calibrate the model again", Stored).temperatures
    return {kind: value for kind, value in stored.items() if kind in KINDS and 0 < value < np.inf}


def write(name: str, temperatures: dict[str, float], n: int) -> Path:
    """Remember the temperatures, fitted on n answers. Raises `InputError` if the file cannot be written."""
    path = place(name)
    with file_errors(f"{path} cannot be written", "set XDG_CACHE_HOME to another folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"model": name, "n": n, "temperatures": temperatures})
    return path


def calibrated(confidence: float, temperature: float) -> float:
    """A confidence in 0-1 after its log-odds are divided by a temperature."""
    return float(1 / (1 + np.exp(-log_odds(confidence) / temperature)))


def log_odds(confidence: float | np.ndarray) -> np.ndarray:
    clipped = np.clip(confidence, 1e-6, 1 - 1e-6)
    return np.log(clipped) - np.log1p(-clipped)


def fit(confidence: np.ndarray, right: np.ndarray, kinds: Sequence[str]) -> dict[str, float]:
    """The temperature of each answer kind that gives the answers' correctness (0-1) the greatest likelihood.

    Guo et al. 2017, with the two outcomes right and wrong instead of all answers.
    """

    def best(chosen: np.ndarray) -> float:
        odds, truth = log_odds(confidence[chosen]), right[chosen]
        losses = [np.mean(np.logaddexp(0, odds / t) - truth * odds / t) for t in TEMPERATURES]
        return round(float(TEMPERATURES[int(np.argmin(losses))]), 4)

    named, every = np.array(kinds), np.ones(len(confidence), bool)
    chosen = {kind: named == kind for kind in KINDS}
    return {kind: best(rows if rows.sum() >= FEWEST else every) for kind, rows in chosen.items()}
