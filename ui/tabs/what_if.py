"""The tab What if: cover a part of the photo and ask again; `/what_if` and `/occlusion`."""

from typing import Any

import gradio as gr
import numpy as np

from ui.api import register
from ui.components import PROGRESS, QUICK, WITH_PHOTO, Part, compute, drawn, viewer
from ui.payload import drawable, drawn_answer, layer, photo_bytes, picture_url, refused_in_json
from ui.question.box import QuestionBox


class WhatIf(Part):
    """A photo to paint on, the answers before and after, and a map of what covering each place changes."""

    def build(self, box: QuestionBox) -> None:
        self.painting = drawn("paint", events=("painted",), elem_id="painting")
        self.mask = gr.State(None)
        cover = gr.Button("Cover every place in turn (a second or more)", elem_id="cover")
        self.covered = viewer(elem_id="covered")
        self.painting.painted(painted, outputs=self.mask, api_name="painted", **QUICK)
        asked = [box.photo, box.question]
        self.inputs, self.outputs = [*asked, self.mask], [self.painting]
        compute(cover.click, self.cover_each, asked, self.covered, **WITH_PHOTO)
        register(self.what_if, self.occlusion)

    def answer(self, photo: dict | None, question: str, mask: list | None) -> list[dict[str, Any]]:
        answer = self.before_and_after(photo, question, mask)
        return [self.canvas(photo) | answer if "error" in answer else answer]  # the photo stays, to paint on

    @refused_in_json
    def before_and_after(self, photo: dict | None, question: str, mask: list | None) -> dict[str, Any]:
        """The answers before and after, and the changes."""
        from vqa.evidence import what_if

        content = photo_bytes(photo)
        with self.models.use() as vqa:
            changed = what_if(vqa, content, question, mask or [[0]])
            whole = vqa.look(content).photo
        result = changed.to_dict()
        return {
            "photo": picture_url(whole),
            "before": drawable(result["before"], whole, question, "Before"),
            "after": drawable(result["after"], changed.photo, question, "With the part covered"),
            "changes": result["changes"],
        }

    @refused_in_json
    def canvas(self, photo: dict | None) -> dict[str, Any]:
        """The photo to paint on. It is encoded already, so that the first answer comes fast."""
        content = photo_bytes(photo)
        with self.models.use() as vqa:
            return {"photo": picture_url(vqa.look(content).photo)}

    @refused_in_json
    def cover_each(self, photo: dict | None, question: str, progress: gr.Progress = PROGRESS) -> dict[str, Any]:
        """The best answer, with the map of how much covering a place lowers its probability."""
        answer, falls = self._occlusion(photo, question, progress)
        title = f"Where covering a place makes '{answer}' less likely (at most {100 * falls.max():.1f} points)"
        layers = [layer(f"covering lowers '{answer}'", answer, falls)]
        return drawn_answer(self.models, photo, question, title=title) | {"layers": layers}

    def _occlusion(self, photo: dict | None, question: str, progress: gr.Progress) -> tuple[str, np.ndarray]:
        from vqa.evidence import occlusion

        content = photo_bytes(photo)
        with self.models.use() as vqa:
            answer = vqa.ask(content, question).text
            return answer, occlusion(
                vqa, content, question, answer, lambda done, total: progress((done, total), "covering", unit="places")
            )

    def what_if(self, photo: dict[str, Any] | None, question: str, mask: list[list[int]]) -> dict[str, Any]:
        """Cover a part of the photo and ask again: the answers before and after, and what changed.

        Args:
            photo: the photo to look at.
            question: the question.
            mask: a JSON table of 0 and 1 that lies over the whole photo, 1 where it is covered: [[1, 0], [0, 0]] covers
                the upper left quarter. At most 128 a side.
        """
        from vqa.evidence import what_if

        content = photo_bytes(photo)
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
        answer, falls = self._occlusion(photo, question, progress)
        return {"answer": answer, "map": falls.tolist()}


def painted(event: gr.EventData) -> list | None:
    """The mask that was painted."""
    return event.mask
