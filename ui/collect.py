"""Under an answer: is it right, or what is? Both go into a table that `vqa train` takes (`vqa ui --collect folder`)."""

from typing import Any

import gradio as gr

from ui.components import HIDDEN, WITH_PHOTO
from ui.payload import photo_bytes
from ui.question.box import QuestionBox
from vqa.data.collect import Collection
from vqa.model.errors import InputError


class Corrections:
    """The row under the answer, and what its buttons do. collection: where the answers go."""

    def __init__(self, collection: Collection):
        self.collection = collection

    def build(self, box: QuestionBox, viewer: gr.components.Component) -> None:
        """viewer: its value is the list of the answers that are drawn, each as a dictionary with 'answer'."""
        with gr.Row(elem_id="corrections"):
            right = gr.Button("right", size="sm", min_width=60)
            answer = gr.Textbox(show_label=False, placeholder="wrong, it is …", min_width=120)
        note = gr.Markdown()
        asked = [box.photo, box.question]
        right.click(self.right, [*asked, viewer], note, api_name="right", **WITH_PHOTO, **HIDDEN)
        answer.submit(self.wrong, [*asked, answer], [note, answer], api_name="wrong", **WITH_PHOTO, **HIDDEN)

    def right(self, photo: dict[str, Any] | None, question: str, drawn: Any) -> str:
        """Add the answer that is drawn."""
        answer = next((one["answer"] for one in drawn or () if isinstance(one, dict) and "answer" in one), "")
        return self.add(photo, question, answer)

    def wrong(self, photo: dict[str, Any] | None, question: str, answer: str) -> tuple[str, str]:
        """Add another answer; the text is emptied if it was accepted."""
        note = self.add(photo, question, answer)
        return note, "" if note.startswith("Added") else answer

    def add(self, photo: dict[str, Any] | None, question: str, answer: str) -> str:
        """A sentence: what was added, or why not."""
        try:
            new = self.collection.add(photo_bytes(photo), question or "", answer or "")
        except InputError as error:
            return str(error)
        return f"Added to {self.collection.table.name}." if new else "Added before."
