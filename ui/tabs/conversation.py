"""The tab Many questions: a conversation about one photo, to read again and to download."""

import base64
import io
import json
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from ui.components import PRIVATE, QUICK, Part, drawn
from ui.payload import data_url, refusable_answer
from ui.question.box import QuestionBox
from vqa.model.photos import open_photo
from vqa.show.heat import overlay
from vqa.show.terminal import caption

MAX_TURNS = 50  # older ones are dropped, so that a page left open does not fill the memory
Turns = list[dict[str, Any]]


class Conversation(Part):
    """The questions and answers so far, and buttons to download or to forget them."""

    def build(self, box: QuestionBox) -> None:
        self.turns = gr.State([], time_to_live=3600)
        self.view = drawn("conversation", elem_id="talk")
        self.inputs, self.outputs = [box.photo, box.question, self.turns], [self.turns, self.view]
        with gr.Row():
            json_button = gr.Button("Download as JSON", elem_id="as-json")
            picture_button = gr.Button("Download as a picture", elem_id="as-picture")
            forget = gr.Button("Start over", elem_id="forget")
        file = gr.JSON(visible=False)
        forget.click(lambda: ([], {}), outputs=[self.turns, self.view], api_name="forget", **QUICK)
        for button, write in ((json_button, as_json), (picture_button, as_picture)):
            written = button.click(write, self.turns, file, api_name=f"talk_{write.__name__}", **QUICK)
            written.then(None, file, js="(file) => window.glimpse.save(file)", **PRIVATE)

    def answer(self, photo: dict | None, question: str, turns: Turns) -> tuple[Turns, dict[str, Any]]:
        turn = refusable_answer(self.models, photo, question)
        if "error" in turn:
            return turns, {"turns": turns} | turn
        turns = [*turns, turn][-MAX_TURNS:]
        return turns, {"turns": turns}


def as_json(turns: Turns) -> dict[str, str]:
    """The questions and the objects that `vqa ask --json` prints, as a file to save: its `name` and `data:` address."""
    content = [{"question": turn["question"], **turn["result"]} for turn in turns]
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return {"name": "glimpse.json", "url": data_url("application/json", text.encode())}


def as_picture(turns: Turns) -> dict[str, str]:
    """A PNG with a card for every answer, one below the other, as a file to save."""
    cards = [card(turn) for turn in turns] or [Image.new("RGB", (420, 60), "white")]
    sheet = Image.new("RGB", (max(one.width for one in cards), sum(one.height for one in cards)), "white")
    top = 0
    for one in cards:
        sheet.paste(one, (0, top))
        top += one.height
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return {"name": "glimpse.png", "url": data_url("image/png", buffer.getvalue())}


def card(turn: dict[str, Any]) -> Image.Image:
    """One answer as a picture: the question, the answer, and where the model looked."""
    result = turn["result"]
    field = result["attention"]
    attention = np.array(field["maps"]).reshape(-1, field["height"], field["width"])
    photo = open_photo(io.BytesIO(base64.b64decode(turn["photo"].partition(",")[2])))
    return overlay(photo, attention, turn["question"], caption(result))
