"""'Did you mean …?', and how the repair was aligned with what was typed."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.inside.cells import failed
from ui.inside.tab import shown
from ui.lazy import Lazy
from ui.models import Models
from ui.payload import api
from vqa.inside.alignment import alignment_picture
from vqa.model.errors import InputError

if TYPE_CHECKING:
    from vqa.language.repair import Repairer

ABOUT = """### Mending what was mistyped
A second model reads the question letter by letter and writes it anew, and for each letter looks back at all that it has
read. A row is a letter that it wrote, from top to bottom; the darker a place in it, the more it looked there."""


class Repairing:
    """Mended questions; the small model is loaded with the first one."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self._lazy = Lazy(load)

    @property
    def model(self) -> "Repairer":
        return self._lazy.get()

    def suggest(self, question: str) -> list[str]:
        """What was probably meant, if the question has words that the answering model does not know; else nothing."""
        processor = self.models.get().processor
        try:
            found = self.model.suggest(question, lambda text: processor.words(text)[1])
        except InputError:
            return []  # what is wrong with the question is told by who answers it
        return [] if found is None else [found.text]

    def alignment(self, question: str) -> str:
        """The picture of the alignment, or the sentence that says why there is none."""
        try:
            found = self.model.repair(question)
            picture = alignment_picture(found.typed, found.text, found.alignment.tolist())
            return f'<div class="strips" tabindex="0">{picture}</div>'
        except Exception as error:
            return failed(error)

    @api
    def repair(self, text: str) -> dict[str, Any]:
        """Mend a mistyped question: the object that `vqa repair --json` prints.

        Args:
            text: a question, such as 'whta colr is teh cat?'.
        """
        return self.model.repair(str(text)).to_dict()


def load() -> "Repairer":
    from vqa.language.repair import Repairer

    return Repairer.load()


def register(repairing: Repairing) -> None:
    """Put `/repair` into the page that is being built."""
    text = gr.Textbox(visible=False, label="text")
    gr.on([], repairing.repair, text, gr.JSON(visible=False), api_name="repair", concurrency_id="repair")


def alignment_part(repairing: Repairing, question: gr.Textbox) -> None:
    """The part of the tab Inside that is being built; question is the page's."""
    gr.Markdown(ABOUT)
    mend = gr.Button("Mend the question", elem_id="mend")
    picture = shown("alignment")
    options: dict[str, Any] = {"concurrency_id": "repair", "api_visibility": "private"}
    mend.click(repairing.alignment, question, picture, api_name="alignment", **options)
