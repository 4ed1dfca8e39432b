"""The tab Ask: one answer and its reasons; `/ask`, `/ask_many` and `/evidence`."""

from collections.abc import Sequence
from typing import Any, Protocol

import gradio as gr
import numpy as np
from gradio.components import Component

from ui.api import register
from ui.components import WITH_PHOTO, Part, compute, viewer
from ui.hosting.zero_gpu import gpu
from ui.payload import drawn_answer, layer, photo_bytes, refusable_answer, refused_in_json
from ui.question.box import QuestionBox
from vqa.model.errors import InputError

MAX_QUESTIONS = 50


class AnsweringTab(Protocol):
    """A tab that answers the question: `answer` takes the values of its `inputs` and returns those of its `outputs`."""

    inputs: list[Component]
    outputs: list[Component]

    def answer(self, *values: Any, **named: Any) -> Sequence[Any]: ...


def ask_open_tab(box: QuestionBox, open_tab: gr.State, tabs: gr.Tabs, answering: dict[str, AnsweringTab]) -> None:
    """Connect the question box to the tab that is open, or to the tab Ask while one is open that answers nothing."""
    functions = {name: gpu(tab.answer) for name, tab in answering.items()}

    def ask(values: dict[Component, Any]) -> dict[Any, Any]:
        name = values[open_tab] if values[open_tab] in answering else "ask"
        tab = answering[name]
        results = functions[name](*(values[component] for component in tab.inputs))
        return dict(zip(tab.outputs, results, strict=True)) | ({tabs: gr.Tabs(selected=name)} if name == "ask" else {})

    inputs = {open_tab}.union(*(tab.inputs for tab in answering.values()))
    outputs = [tabs, *(component for tab in answering.values() for component in tab.outputs)]
    box.on_ask(ask, inputs, outputs)


class Ask(Part):
    """One answer: where the model looked, the other best answers, and what it would have said without looking."""

    def build(self, box: QuestionBox) -> None:
        self.viewer = viewer(pickable=True, elem_id="answer")
        self.inputs, self.outputs = [box.photo, box.question], [self.viewer]
        compute(self.viewer.pick, self.explain, box.photo, self.viewer, **WITH_PHOTO)
        register(self.ask, self.ask_many, self.evidence)

    def answer(self, photo: dict | None, question: str) -> list[dict[str, Any]]:
        return [refusable_answer(self.models, photo, question)]

    @refused_in_json
    def explain(self, photo: dict | None, event: gr.EventData) -> dict[str, Any]:
        """The answer again, with the map of evidence for the one of the best answers that was clicked."""
        question, answer = str(event.question), str(event.answer)
        weights = self._evidence(photo, question, answer)
        layers = [layer(f"speaks for '{answer}'", answer, weights)]
        return drawn_answer(self.models, photo, question) | {"layers": layers}

    def _evidence(self, photo: dict | None, question: str, answer: str) -> np.ndarray:
        from vqa.evidence import evidence

        content = photo_bytes(photo)
        with self.models.use() as vqa:
            return evidence(vqa, content, question, answer)

    def ask(self, photo: dict[str, Any] | None, question: str) -> dict[str, Any]:
        """Answer a question about a photo, and say why: the object that `vqa ask --json` prints.

        Args:
            photo: the photo to look at.
            question: a question in plain English, such as 'what is on the table?'.
        """
        return self.ask_many(photo, [question])[0]

    def ask_many(self, photo: dict[str, Any] | None, questions: list[str]) -> list[dict[str, Any]]:
        """Answer several questions about one photo, which is encoded once.

        Args:
            photo: the photo to look at.
            questions: a JSON list of questions in plain English.
        """
        if not isinstance(questions, list) or not questions:
            raise InputError('The questions are no list; give some, such as ["what is this?", "is it raining?"].')
        if len(questions) > MAX_QUESTIONS:
            raise InputError(f"There are {len(questions)} questions; ask at most {MAX_QUESTIONS} at once.")
        content = photo_bytes(photo)
        with self.models.use() as vqa:
            return [answer.to_dict() for answer in vqa.ask_many(content, questions)]

    def evidence(self, photo: dict[str, Any] | None, question: str, answer: str) -> dict[str, Any]:
        """Which places of the photo speak for an answer (positive) or against it (negative), by gradient.

        Args:
            photo: the photo to look at.
            question: the question.
            answer: one of the model's answers, such as one of the best five of `ask`.
        """
        return {"answer": answer, "map": self._evidence(photo, question, answer).tolist()}
