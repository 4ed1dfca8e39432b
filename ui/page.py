"""The page: a photo and a question on the left, and a tab for each way to use them on the right."""

from typing import Any

import gradio as gr

from ui.collect import Corrections
from ui.components import HIDDEN, QUICK, WITH_PHOTO, compute
from ui.models import Models
from ui.payload import refuse_by
from ui.question.box import QuestionBox
from ui.tabs import about
from ui.tabs.ask import AnsweringTab, Ask, ask_open_tab
from ui.tabs.compare import Compare
from ui.tabs.conversation import Conversation
from ui.tabs.describe import Describe
from ui.tabs.inside.alignment import Alignment
from ui.tabs.inside.cells import Cells
from ui.tabs.inside.flows import Flows
from ui.tabs.what_if import WhatIf
from vqa.data.collect import Collection

LOADING = "The model is loading: a few seconds, once. You can choose a photo meanwhile."


def build_page(models: Models, collection: Collection | None = None) -> gr.Blocks:
    """The app over models that may still be loading. collection: for the answers that people confirm or correct."""
    ask, what_if, conversation, compare = Ask(models), WhatIf(models), Conversation(models), Compare(models)
    describe = Describe(models)
    with gr.Blocks(title="Glimpse", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        gr.Markdown("# Glimpse\nAsk a photo a question, and see where the model looked.")
        note = gr.Markdown(LOADING, elem_id="loading")
        open_tab = gr.State("ask")
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                box = QuestionBox(models)
            with gr.Column(scale=3, min_width=300), gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Ask", id="ask"):
                    ask.build(box)
                    if collection is not None:
                        Corrections(collection).build(box, ask.viewer)
                with gr.Tab("What if", id="what_if"):
                    what_if.build(box)
                with gr.Tab("Many questions", id="talk"):
                    conversation.build(box)
                with gr.Tab("Describe", id="describe"):
                    describe.build(box)
                with gr.Tab("Compare", id="compare"):
                    compare.build(box)
                with gr.Tab("Inside", id="inside") as inside:
                    Cells(models).build(box)
                    Flows(models).build(box, inside)
                    Alignment(models).build(box)
                with gr.Tab("About", id="about"):
                    facts = gr.Markdown(elem_id="about")
        for tab in tabs.children:
            tab.select(lambda name=tab.id: name, outputs=open_tab, api_name=f"open_{tab.id}", **QUICK)

        answering: dict[str, AnsweringTab] = {"ask": ask, "what_if": what_if, "talk": conversation, "compare": compare}
        ask_open_tab(box, open_tab, tabs, answering)

        def encode(photo: dict | None) -> tuple[Any, dict[str, Any]]:
            """Encode a new photo before anybody has asked, and report a bad one in the tab Ask."""
            canvas = what_if.canvas(photo) if photo else {}
            return (canvas, {}) if "error" in canvas else (gr.skip(), canvas)

        outdated = dict.fromkeys((ask.viewer, what_if.covered, compare.viewer, describe.caption, what_if.mask))
        outdated |= {conversation.turns: [], conversation.view: {}}
        cleared = box.photo.change(lambda: outdated, outputs=list(outdated), api_name="clear", **QUICK)
        compute(cleared.then, encode, box.photo, [ask.viewer, what_if.painting], **WITH_PHOTO)

        @refuse_by(lambda sentence: (sentence, ""))
        def ready() -> tuple[str, str]:
            """Wait for the model: then the note is empty, and the page knows what to say about the model."""
            return "", about.text(models.get())

        page.load(ready, outputs=[note, facts], api_name="ready", **HIDDEN)
    return page
