"""A conversation about one photo, kept to be read again and taken away."""

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image

from vqa.model.photos import open_photo
from vqa.show.heat import overlay

MAX_TURNS = 50  # kept; older ones are dropped, so that a page left open does not fill the memory


def add(turns: list[dict[str, Any]], turn: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation with one more answer."""
    return [*turns, turn][-MAX_TURNS:]


def as_json(turns: list[dict[str, Any]]) -> dict[str, str]:
    """The questions and the objects that `vqa ask --json` prints, as a file to save: its `name` and `data:` address."""
    content = [{"question": turn["question"], **turn["result"]} for turn in turns]
    return to_save("glimpse.json", "application/json", json.dumps(content, indent=1, ensure_ascii=False).encode())


def as_picture(turns: list[dict[str, Any]]) -> dict[str, str]:
    """A PNG card with every question, answer and where it looked, one below the other, as a file to save."""
    cards = [card(turn) for turn in turns] or [Image.new("RGB", (420, 60), "white")]
    sheet = Image.new("RGB", (max(one.width for one in cards), sum(one.height for one in cards)), "white")
    top = 0
    for one in cards:
        sheet.paste(one, (0, top))
        top += one.height
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return to_save("glimpse.png", "image/png", buffer.getvalue())


def card(turn: dict[str, Any]) -> Image.Image:
    """One answer as a picture."""
    result = turn["result"]
    field = result["attention"]
    attention = np.array(field["maps"]).reshape(-1, field["height"], field["width"])
    photo = open_photo(io.BytesIO(base64.b64decode(turn["photo"].partition(",")[2])))
    blind = result["blind"]
    without = f", without looking: {blind['answer']} ({blind['score']:.0%})" if blind else ""
    told = f"{result['answer']} ({result['confidence']:.0%}){without}"
    return overlay(photo, attention, turn["question"], told)


def to_save(name: str, kind: str, content: bytes) -> dict[str, str]:
    """A file that the browser saves; nothing of it stays on the server."""
    return {"name": name, "url": f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"}
