"""Suggestions under the question: completions as it is typed, and 'Did you mean …?'; `/complete` and `/repair`."""

from typing import Any

import gradio as gr

from ui.api import register
from ui.components import LATEST, QUICK, Part, chips, compute, picked_question
from vqa.model.errors import InputError

COMPLETIONS = 3


class Complete(Part):
    """The completions' chips, their events and their API."""

    def build(self, question: gr.Textbox) -> None:
        completions = chips(value=[], elem_id="completions")
        compute(question.input, self.suggest_completions, question, completions, concurrency_id="complete", **LATEST)
        completions.pick(picked_question, outputs=question, api_name="completed", **QUICK)
        register(self.complete, concurrency_id="complete")

    def suggest_completions(self, question: str) -> list[str]:
        """The likeliest questions that begin like this one; none if it is empty or cannot be completed."""
        if not question.strip():
            return []
        try:
            return [completion.text for completion in self.models.completer().complete(question, COMPLETIONS)]
        except InputError:
            return []  # whoever asks the question will read what is wrong with it

    def complete(self, text: str, top: int = COMPLETIONS) -> list[dict]:
        """The likeliest ways to complete a question that is being typed, each with its probability.

        Args:
            text: the beginning of a question, such as 'what colo'.
            top: how many completions, 1 to 10.
        """
        if not 1 <= int(top) <= 10:
            raise InputError(f"There are 1 to 10 completions, not {int(top)}; choose a number between.")
        return [completion._asdict() for completion in self.models.completer().complete(str(text), int(top))]


class Repair(Part):
    """The repaired question's chip, its events and its API."""

    def build(self, question: gr.Textbox, button: gr.Button) -> gr.events.Dependency:
        """Returns the event that puts the repaired question into the box."""
        repaired = chips(value=[], before="Did you mean", elem_id="meant")
        asked = [question.submit, button.click]
        compute(asked, self.suggest_repair, question, repaired, concurrency_id="repair", **LATEST)
        register(self.repair, concurrency_id="repair")
        return repaired.pick(take, outputs=[question, repaired], api_name="meant", **QUICK)

    def suggest_repair(self, question: str) -> list[str]:
        """What was probably meant, if the question has words that the answering model does not know; else nothing."""
        from vqa.predict import ours

        vqa = self.models.get()
        try:
            repaired = self.models.repairer().suggest(question, lambda text: ours(vqa).words(text)[1])
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
