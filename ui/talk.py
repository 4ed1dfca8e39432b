"""A conversation about one photo, kept to be read again and taken away."""

import base64
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image

from vqa.data.photos import open_photo
from vqa.explain import overlay
from vqa.files import write_json as write

MAX_TURNS = 50  # kept; older ones are dropped, so that a page left open does not fill the memory


def add(turns: list[dict[str, Any]], turn: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation with one more answer."""
    return [*turns, turn][-MAX_TURNS:]


def write_json(turns: list[dict[str, Any]]) -> str:
    """A file with the questions and the objects that `vqa ask --json` prints; returns its path."""
    path = new_folder() / "glimpse.json"
    write(path, [{"question": turn["question"], **turn["result"]} for turn in turns])
    return str(path)


def write_picture(turns: list[dict[str, Any]]) -> str:
    """A PNG card with every question, answer and where it looked, one below the other; returns its path."""
    path = new_folder() / "glimpse.png"
    cards = [card(turn) for turn in turns] or [Image.new("RGB", (420, 60), "white")]
    sheet = Image.new("RGB", (max(c.width for c in cards), sum(c.height for c in cards)), "white")
    top = 0
    for one in cards:
        sheet.paste(one, (0, top))
        top += one.height
    sheet.save(path)
    return str(path)


def card(turn: dict[str, Any]) -> Image.Image:
    """One answer as a picture."""
    result = turn["result"]
    field = result["attention"]
    attention = np.array(field["maps"]).reshape(-1, field["height"], field["width"])
    photo = open_photo(io.BytesIO(base64.b64decode(turn["photo"].partition(",")[2])))
    blind = result["blind"]
    told = f"{result['answer']} ({result['confidence']:.0%}), without looking: {blind['answer']} ({blind['score']:.0%})"
    return overlay(photo, attention, turn["question"], told)


def new_folder() -> Path:
    """A folder that gradio may serve from and deletes with its cache."""
    root = Path(get_upload_folder())
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=root))


