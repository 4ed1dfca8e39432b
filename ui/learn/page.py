"""The pages Learn, which looks inside the networks, and About, each with an address of its own."""

import gradio as gr

from ui.api.payload import refuse_by
from ui.api.register import PRIVATE
from ui.learn import about
from ui.learn.alignment import Alignment
from ui.learn.cells import Cells
from ui.learn.flows import Flows
from ui.learn.parts import header
from ui.models import Models

INTRODUCTION = """# Learn
How the networks behind the answers read a question: the numbers that they keep, letter by letter and word by word, and
how far an error reaches back while they learn. All of it is computed here, for your own question."""


def build_learn(page: gr.Blocks, models: Models) -> None:
    """Add the page /learn."""
    with page.route("Learn", "learn"), gr.Column(elem_classes="paper"):
        header("learn")
        gr.Markdown(INTRODUCTION, elem_id="learn")
        question = gr.Textbox("what is on the table?", label="Question", max_length=300, elem_id="question")
        Cells(models).build(question)
        Alignment(models).build(question)
        with gr.Accordion("A photo, for the gradient of an answer", open=False):
            photo = gr.Image(
                label="Photo", type="filepath", sources=["upload", "clipboard"], height=240, elem_id="photo"
            )
        Flows(models).build(photo, question, page.load)


def build_about(page: gr.Blocks, models: Models) -> None:
    """Add the page /about."""

    @refuse_by(lambda sentence: sentence)
    def text() -> str:
        return about.text(models.get())

    with page.route("About", "about"), gr.Column(elem_classes="paper"):
        header("about")
        facts = gr.Markdown("# About\nThe model is loading.", elem_id="about")
        page.load(text, outputs=facts, api_name="about", show_progress="hidden", **PRIVATE)
