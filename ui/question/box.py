"""The left side of the page: the photo, the question, and suggestions for both."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.components import MAX_CHARACTERS, PRIVATE, QUICK, WITH_PHOTO, chips, picked_question
from ui.models import Models
from ui.question.examples import GENERAL, examples
from ui.question.suggestions import Complete, Repair
from vqa.model.photos import open_photo


class QuestionBox:
    """Its `photo` and `question` are what every tab reads."""

    def __init__(self, models: Models):
        sources: Any = ["upload", "webcam", "clipboard"]
        self.photo = gr.Image(
            label="Photo", type="filepath", format="png", sources=sources, height=320, elem_id="photo"
        )
        hint = "what is on the table?"
        self.question = gr.Textbox(
            label="Question", placeholder=hint, max_length=MAX_CHARACTERS, max_lines=3, elem_id="question"
        )
        self.button = gr.Button("Ask", variant="primary", elem_id="ask")
        self._repaired = Repair(models).build(self.question, self.button)
        Complete(models).build(self.question)  # after the button: Tab leads from text to Ask
        suggestions = chips(value=list(GENERAL), elem_id="chips")
        photos, column = [[str(example.photo)] for example in examples()], gr.Image(visible=False)
        gallery = gr.Dataset(
            label="Or take one of these", components=[column], samples=photos, type="index", elem_id="examples"
        )
        self._suggested = suggestions.pick(picked_question, outputs=self.question, api_name="suggested", **QUICK)
        gallery.click(example, gallery, [self.photo, suggestions, self.question], api_name="example", **QUICK)
        self.photo.upload(lambda: list(GENERAL), outputs=suggestions, api_name="suggest", **QUICK)

    def on_ask(self, function: Callable, inputs: Any, outputs: Any) -> None:
        """Run a function whenever the question is asked. It marks its own parts for ZeroGPU."""
        options = {"concurrency_id": "model"} | PRIVATE | WITH_PHOTO
        gr.on([self.question.submit, self.button.click], function, inputs, outputs, api_name="go", **options)
        for picked, name in ((self._suggested, "go_suggested"), (self._repaired, "go_meant")):
            picked.then(function, inputs, outputs, api_name=name, **options)


def example(index: int) -> tuple[Any, list[str], str]:
    """One of our photos, questions that fit it, and the first of them."""
    chosen = examples()[index]
    # As a picture, not a path: gradio serves no file outside the folder that the app was started in.
    return open_photo(chosen.photo), list(chosen.questions), chosen.questions[0]
