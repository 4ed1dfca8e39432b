"""Suggestions for the question box: completions as it is typed, and 'Did you mean …?'; `/complete` and `/repair`."""

from typing import Any

from ui.models import Part
from vqa.model.errors import InputError

COMPLETIONS = 3


class Suggestions(Part):
    """Questions that are likely meant."""

    def complete(self, text: str, top: int = COMPLETIONS) -> list[dict]:
        """The likeliest ways to complete a question that is being typed, each with its probability.

        Args:
            text: the beginning of a question, such as 'what colo'.
            top: how many completions, 1 to 10.
        """
        if not 1 <= int(top) <= 10:
            raise InputError(f"There are 1 to 10 completions, not {int(top)}; choose a number between.")
        return [completion._asdict() for completion in self.models.completer().complete(str(text), int(top))]

    def repair(self, text: str) -> dict[str, Any]:
        """Mend a mistyped question: the object that `vqa repair --json` prints.

        Args:
            text: a question, such as 'whta colr is teh cat?'.
        """
        return self.models.repairer().repair(str(text)).to_dict()

    def did_you_mean(self, text: str) -> dict[str, str]:
        """What was probably meant, if the question has words that the answering model does not know; else ''."""
        from vqa.predict import ours

        vqa = self.models.get()
        try:
            repaired = self.models.repairer().suggest(text, lambda question: ours(vqa).words(question)[1])
        except InputError:
            return {"text": ""}  # the answer reports what is wrong with the question
        return {"text": "" if repaired is None else repaired.text}
