"""What an answer rests on: `/evidence`, `/what_if` and `/occlusion`."""

from typing import Any

from ui.models import Part


class Evidence(Part):
    """Places that speak for an answer, and answers with a part of the photo covered."""

    def evidence(self, photo: bytes, question: str, answer: str) -> dict[str, Any]:
        """Which places of the photo speak for an answer (positive) or against it (negative), by gradient.

        Args:
            photo: the photo to look at.
            question: the question.
            answer: one of the model's answers, such as one of the best five of `ask`.
        """
        from vqa.evidence import evidence

        content = self.models.decode(photo)
        with self.models.use() as vqa:
            return {"answer": answer, "map": evidence(vqa, content, question, answer).tolist()}

    def what_if(self, photo: bytes, question: str, mask: list[list[int]]) -> dict[str, Any]:
        """Cover a part of the photo and ask again: the answers before and after, and what changed.

        Args:
            photo: the photo to look at.
            question: the question.
            mask: a JSON table of 0 and 1 that lies over the whole photo, 1 where it is covered: [[1, 0], [0, 0]] covers
                the upper left quarter. At most 128 a side.
        """
        from vqa.evidence import what_if

        content = self.models.decode(photo)
        with self.models.use() as vqa:
            return what_if(vqa, content, question, mask).to_dict()

    def occlusion(self, photo: bytes, question: str) -> dict[str, Any]:
        """How far the best answer's probability falls when each place of the photo is covered in turn.

        Args:
            photo: the photo to look at.
            question: the question.
        """
        from vqa.evidence import occlusion

        content = self.models.decode(photo)
        with self.models.use() as vqa:
            answer = vqa.ask(content, question).text
            falls = occlusion(vqa, content, question, answer)
        return {"answer": answer, "map": falls.tolist()}
