"""'Did you mean …?' under the question, and `/repair`."""

from typing import Any

import gradio as gr

from ui.api import register
from ui.components import BACKGROUND, QUICK, Part, chips, picked_question
from vqa.model.errors import InputError


class Repair(Part):
    """The repaired question's chip, its events and its API."""

    def build(self, question: gr.Textbox, button: gr.Button) -> gr.events.Dependency:
        """Returns the event that puts the repaired question into the box."""
        repaired = chips(value=[], before="Did you mean", elem_id="meant")
        # `always_last` also because the next question may come before the model is loaded
        gr.on(
            [question.submit, button.click],
            self.suggest,
            question,
            repaired,
            api_name="suggest_repair",
            concurrency_id="repair",
            **BACKGROUND,
        )
        register(self.repair, concurrency_id="repair")
        return repaired.pick(take, outputs=[question, repaired], api_name="meant", **QUICK)

    def suggest(self, question: str) -> list[str]:
        """What was probably meant, if the question has words that the answering model does not know; else nothing."""
        vqa = self.models.get()
        try:
            repaired = self.models.repairer().suggest(question, lambda text: vqa.words(text)[1])
        except InputError:
            return []  # the answer reports what is wrong with the question
        return [] if repaired is None else [repaired.text]

    def repair(self, text: str) -> dict[str, Any]:
        """Mend a mistyped question: the object that `vqa repair --json` prints.

        Args:
            text: a question, such as 'whta colr is teh cat?'.
        """
        return self.models.repairer().repair(str(text)).to_dict()


def take(event: gr.EventData) -> tuple[str, list]:
    """The repaired question, which is no longer offered."""
    return picked_question(event), []
