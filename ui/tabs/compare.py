"""The tab Compare: two models' answers beside each other; `/compare`."""

from typing import Any

import gradio as gr

from ui.api import register
from ui.components import Part, viewer
from ui.payload import drawn_answer, refused_in_json
from ui.question.box import QuestionBox


class Compare(Part):
    """Two models to choose, and their answers."""

    def build(self, box: QuestionBox) -> None:
        with gr.Row():
            options: dict[str, Any] = {"value": self.models.own, "elem_classes": "model"}
            if self.models.any_model:
                options |= {"allow_custom_value": True, "info": "A folder or a Hub id may be typed too."}
            labels = ("First model", "Second model")
            names = [gr.Dropdown(self.models.offered, label=label, **options) for label in labels]
        self.viewer = viewer(elem_id="both")
        self.inputs, self.outputs = [box.photo, box.question, *names], [self.viewer]
        register(self.compare)

    def answer(self, photo: dict | None, question: str, first: str, second: str) -> list[Any]:
        return [refused_in_json(self._both)(photo, question, first, second)]

    def _both(self, photo: dict | None, question: str, *names: str) -> list[dict[str, Any]]:
        return [drawn_answer(self.models, photo, question, name, title=name) for name in names]

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
        return [answer["result"] for answer in self._both(photo, question, first, second)]
