"""How the repair of a question was aligned with what was typed."""

import gradio as gr

from ui.api.payload import refused_in_html
from ui.api.register import compute
from ui.learn.parts import picture
from ui.models import Part
from vqa.inside.pictures import alignment_picture

ABOUT = """## Repairing what was mistyped
A second model reads the question letter by letter and writes it anew, and for each letter looks back at all that it has
read. A row is a letter that it wrote, from top to bottom; the darker a place in it, the more it looked there."""


class Alignment(Part):
    """The matrix of the alignment as a picture."""

    def build(self, question: gr.Textbox) -> None:
        gr.Markdown(ABOUT)
        repair = gr.Button("Repair the question", elem_id="mend")
        matrix = picture("alignment")
        compute(repair.click, self.alignment, question, matrix, turn="repair")

    @refused_in_html
    def alignment(self, question: str) -> str:
        repaired = self.models.repairer().repair(question)
        matrix = alignment_picture(repaired.typed, repaired.text, repaired.alignment.tolist())
        return f'<div class="strips" tabindex="0">{matrix}</div>'
