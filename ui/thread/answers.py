"""Answers to questions: `/ask`, `/ask_many`, and `/compare` for two models'."""

from typing import Any

from ui.models import Part
from vqa.model.errors import InputError

MAX_QUESTIONS = 50


class Answers(Part):
    """The object of `vqa ask --json` for each question."""

    def ask(self, photo: bytes, question: str) -> dict[str, Any]:
        """Answer a question about a photo, and say why: the object that `vqa ask --json` prints.

        Args:
            photo: the photo to look at.
            question: a question in plain English, such as 'what is on the table?'.
        """
        return self.ask_many(photo, [question])[0]

    def ask_many(self, photo: bytes, questions: list[str]) -> list[dict[str, Any]]:
        """Answer several questions about one photo, which is encoded once.

        Args:
            photo: the photo to look at.
            questions: a JSON list of questions in plain English.
        """
        if not isinstance(questions, list) or not questions:
            raise InputError('The questions are no list; give some, such as ["what is this?", "is it raining?"].')
        if len(questions) > MAX_QUESTIONS:
            raise InputError(f"There are {len(questions)} questions; ask at most {MAX_QUESTIONS} at once.")
        return [answer.to_dict() for answer in self.models.ask(photo, questions)]

    def compare(self, photo: bytes, question: str, first: str = "", second: str = "") -> list[dict[str, Any]]:
        """Two models' answers to the same question about the same photo; for the second one's that fails, its `error`.

        Args:
            photo: the photo to look at.
            question: the question.
            first: a model that the app offers; empty for its own.
            second: another one; empty for the first that is offered besides the app's own.
        """
        (answer,) = self.models.ask(photo, [question], first)
        try:
            (other,) = self.models.ask(photo, [question], second or next(iter(self.models.further), ""))
        except InputError as error:
            return [answer.to_dict(), {"error": str(error)}]
        return [answer.to_dict(), other.to_dict()]
