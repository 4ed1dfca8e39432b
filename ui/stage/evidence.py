"""What an answer rests on: `/evidence`, `/what_if` and `/occlusion`."""

from typing import Any

import gradio as gr

from ui.api.payload import photo_bytes
from ui.api.register import PROGRESS, Part, register


class Evidence(Part):
    """Places that speak for an answer, and answers with a part of the photo covered."""

    def build(self) -> None:
        register(self.evidence, self.what_if, self.occlusion)

    def evidence(self, photo: dict[str, Any] | None, question: str, answer: str) -> dict[str, Any]:
        """Which places of the photo speak for an answer (positive) or against it (negative), by gradient.

        Args:
            photo: the photo to look at.
            question: the question.
            answer: one of the model's answers, such as one of the best five of `ask`.
        """
        from vqa.evidence import evidence

        content = self.models.decode(photo_bytes(photo))
        with self.models.use() as vqa:
            return {"answer": answer, "map": evidence(vqa, content, question, answer).tolist()}

    def what_if(self, photo: dict[str, Any] | None, question: str, mask: list[list[int]]) -> dict[str, Any]:
        """Cover a part of the photo and ask again: the answers before and after, and what changed.

        Args:
            photo: the photo to look at.
            question: the question.
            mask: a JSON table of 0 and 1 that lies over the whole photo, 1 where it is covered: [[1, 0], [0, 0]] covers
                the upper left quarter. At most 128 a side.
        """
        from vqa.evidence import what_if

        content = self.models.decode(photo_bytes(photo))
        with self.models.use() as vqa:
            return what_if(vqa, content, question, mask).to_dict()

    def occlusion(
        self, photo: dict[str, Any] | None, question: str, progress: gr.Progress = PROGRESS
    ) -> dict[str, Any]:
        """How far the best answer's probability falls when each place of the photo is covered in turn.

        Args:
            photo: the photo to look at.
            question: the question.
        """
        from vqa.evidence import occlusion

        content = self.models.decode(photo_bytes(photo))
        with self.models.use() as vqa:
            answer = vqa.ask(content, question).text
            falls = occlusion(
                vqa, content, question, answer, lambda done, total: progress((done, total), "covering", unit="places")
            )
        return {"answer": answer, "map": falls.tolist()}
