"""The thread as a picture to download: a card for every question."""

import io

import numpy as np
from PIL import Image

from ui.api.payload import data_url
from ui.models import Part
from ui.thread.answers import MAX_QUESTIONS
from vqa.model.errors import InputError
from vqa.show.heat import overlay
from vqa.show.terminal import caption


class Picture(Part):
    """The questions are answered again, so that nothing of a thread is stored here or sent back."""

    def picture(self, photo: bytes, questions: list[str]) -> dict[str, str]:
        """A PNG with a card for every question, one below the other, as a `data:` address."""
        if not questions:
            raise InputError("There are no answers yet; ask a question first.")
        content = self.models.decode(photo)
        with self.models.use() as vqa:
            answers = vqa.ask_many(content, questions[:MAX_QUESTIONS])
            seen = vqa.look(content).photo
        cards = [
            overlay(seen, answer.attention, question, caption(answer.to_dict()))
            for question, answer in zip(questions, answers, strict=False)
        ]
        sheet = Image.new("RGB", (max(one.width for one in cards), sum(one.height for one in cards)), "white")
        for top, one in zip(np.cumsum([0, *(one.height for one in cards)]), cards, strict=False):
            sheet.paste(one, (0, int(top)))
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG")
        return {"url": data_url("image/png", buffer.getvalue())}
