"""The tab Compare: two models' answers beside each other; `/compare`."""

from typing import Any

import gradio as gr

from ui.api import register
from ui.components import Part, viewer
from ui.payload import drawn_answer, photo_bytes, refused_in_json
from ui.question.box import QuestionBox


class Compare(Part):
    """Two models to choose, and their answers."""

    def build(self, box: QuestionBox) -> None:
        with gr.Row():
            names = [
                gr.Dropdown(
                    self.models.offered,
                    value=self.models.own,
                    label=label,
                    info="A folder or a Hub id may be typed too." if self.models.any_model else None,
                    allow_custom_value=self.models.any_model,
                    elem_classes="model",
                )
                for label in ("First model", "Second model")
            ]
        self.viewer = viewer(elem_id="both")
        self.inputs, self.outputs = [box.photo, box.question, *names], [self.viewer]
        register(self.compare)

    def answer(self, photo: dict | None, question: str, first: str, second: str) -> list[Any]:
        return [self.both(photo, question, (first, second))]

    @refused_in_json
    def both(self, photo: dict | None, question: str, names: tuple[str, str]) -> list[dict[str, Any]]:
        content = photo_bytes(photo)
        return [drawn_answer(self.models, content, question, name, title=name) for name in names]

    def compare(
        self, photo: dict[str, Any] | None, question: str, first: str = "", second: str = ""
    ) -> list[dict[str, Any]]:
        """Two models' answers to the same question about the same photo.

        Args:
            photo: the photo to look at.
            question: the question.
            first: a model that the app offers; empty for its own.
            second: another one.
        """
        content = photo_bytes(photo)
        answers = []
        for name in (first, second):
            with self.models.use(name) as vqa:
                answers.append(vqa.ask(content, question).to_dict())
        return answers
