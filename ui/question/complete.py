"""Completions under the question as it is typed, and `/complete`."""

import gradio as gr

from ui.api import register
from ui.components import BACKGROUND, QUICK, Part, chips, picked_question
from vqa.model.errors import InputError

COUNT = 3


class Complete(Part):
    """The completions' chips, their events and their API."""

    def build(self, question: gr.Textbox) -> None:
        completions = chips(value=[], elem_id="completions")
        question.input(
            self.suggest, question, completions, api_name="suggest_completions", concurrency_id="complete", **BACKGROUND
        )
        completions.pick(picked_question, outputs=question, api_name="completed", **QUICK)
        register(self.complete, concurrency_id="complete")

    def suggest(self, question: str) -> list[str]:
        """The likeliest questions that begin like this one; none if it is empty or cannot be completed."""
        if not question.strip():
            return []
        try:
            return [completion.text for completion in self.models.completer().complete(question, COUNT)]
        except InputError:
            return []  # whoever asks the question will read what is wrong with it

    def complete(self, text: str, top: int = COUNT) -> list[dict]:
        """The likeliest ways to complete a question that is being typed, each with its probability.

        Args:
            text: the beginning of a question, such as 'what colo'.
            top: how many completions, 1 to 10.
        """
        if not 1 <= int(top) <= 10:
            raise InputError(f"There are 1 to 10 completions, not {int(top)}; choose a number between.")
        return [completion._asdict() for completion in self.models.completer().complete(str(text), int(top))]
