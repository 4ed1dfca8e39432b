"""Completing the question as it is typed."""

from typing import TYPE_CHECKING

import gradio as gr

from ui.lazy import Lazy
from ui.payload import api
from vqa.model.errors import InputError

if TYPE_CHECKING:
    from vqa.language.complete import Completer

SHOWN = 3


class Completing:
    """The completions under the question; the small model is loaded with the first key."""

    def __init__(self) -> None:
        self._lazy = Lazy(load)

    @property
    def model(self) -> "Completer":
        return self._lazy.get()

    def suggest(self, question: str) -> list[str]:
        """The likeliest questions that begin like this one; none for what cannot be completed."""
        if not question.strip():
            return []
        try:
            return [completion.text for completion in self.model.complete(question, SHOWN)]
        except InputError:
            return []  # nobody asked for completions: what is wrong with the question is told when it is asked

    @api
    def complete(self, text: str, top: float = SHOWN) -> list[dict]:
        """The likeliest ways to complete a question that is being typed, each with its probability.

        Args:
            text: the beginning of a question, such as 'what colo'.
            top: how many completions, 1 to 10.
        """
        if not 1 <= int(top) <= 10:
            raise InputError(f"There are 1 to 10 completions, not {int(top)}; choose a number between.")
        return [completion._asdict() for completion in self.model.complete(str(text), int(top))]


def load() -> "Completer":
    from vqa.language.complete import Completer

    return Completer.load()


def register(completing: Completing) -> None:
    """Put `/complete` into the page that is being built."""
    text = gr.Textbox(visible=False, label="text")
    top = gr.Number(SHOWN, visible=False, label="top", precision=0)
    gr.on([], completing.complete, [text, top], gr.JSON(visible=False), api_name="complete", concurrency_id="complete")
