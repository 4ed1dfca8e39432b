"""The tab Inside: what the models' cells hold, which follow something nameable, and how far gradients reach."""

from typing import Any

import gradio as gr

from ui.completing import Completing
from ui.hosting.zero_gpu import gpu
from ui.inside.cells import CHARACTERS, NAMES, PARTS, WORDS, Cells
from ui.inside.flows import COPY, QUESTION, Flows
from ui.models import Models
from ui.viewer import found

ABOUT_CELLS = """### Reading a cell
The question is read word by word, or letter by letter. Choose one of the numbers that the model keeps and see its value
at each of them: orange is positive, blue negative. Below are its gates: what is written, kept and shown."""
ABOUT_FIND = """### Finding a cell
Which numbers follow something that has a name? All are compared over some hundred questions that the model that
completes has made up. The best are chosen on one half of these; the score is that on the other half."""
ABOUT_FLOW = """### How far the gradient reaches
While a model learns, an error at the last step has to flow back through all steps before. This is the first gradient of
an untrained network that has to name the very first of 100 symbols, or to answer your question: where the line falls
toward step 1, little arrives; where it rises, it explodes."""
ABOUT_OWN = """### In the model that answers here
How much each word's state weighs in its answer to your question about your photo."""


def inside_tab(models: Models, completing: Completing, tab: gr.Tab, photo: gr.Image, question: gr.Textbox) -> None:
    """Fill the tab that is being built; photo and question are the page's."""
    busy: dict[str, Any] = {"concurrency_id": "model", "api_visibility": "private"}
    reading(Cells(models, completing), question, busy)
    flowing(Flows(models), tab, photo, question, busy)


def reading(acts: Cells, question: gr.Textbox, busy: dict[str, Any]) -> None:
    """Reading cells, and finding them."""
    gr.Markdown(ABOUT_CELLS)
    with gr.Row():
        reader = gr.Dropdown(
            [WORDS, CHARACTERS], value=WORDS, label="Which model reads", min_width=280, elem_id="reader"
        )
        layer = gr.Number(1, label="Layer, counted from 1", precision=0, minimum=1, elem_id="layer")
    with gr.Row():
        part = gr.Dropdown(PARTS, value="h", label="Which number", elem_id="part")
        unit = gr.Number(0, label="Unit, counted from 0", precision=0, minimum=0, elem_id="unit")
    read = gr.Button("Read the question", variant="primary", elem_id="read")
    cells = shown("cells")
    gr.Markdown(ABOUT_FIND)
    with gr.Row():
        feature = gr.Dropdown(NAMES[WORDS], value=NAMES[WORDS][0], label="What to follow", elem_id="feature")
        find = gr.Button("Find", elem_id="find")
    units = found(elem_id="found")
    examples = shown("found-examples")

    place: list[Any] = [question, reader, layer, part, unit]
    events = [read.click, reader.input, part.input, layer.submit, unit.submit]
    gr.on(events, gpu(acts.cells), place, cells, api_name="read_cells", **busy)
    reader.change(
        lambda reader: (gr.Dropdown(NAMES[reader], value=NAMES[reader][0]), {}, ""),
        reader,
        [feature, units, examples],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
        api_name="features",
    )
    gr.on([find.click, feature.input], gpu(acts.find), [reader, feature], units, api_name="find_cells", **busy)
    units.pick(gpu(acts.pick), [question, reader], [layer, part, unit, cells, examples], api_name="pick_cell", **busy)


def flowing(acts: Flows, tab: gr.Tab, photo: gr.Image, question: gr.Textbox, busy: dict[str, Any]) -> None:
    """How far gradients reach."""
    gr.Markdown(ABOUT_FLOW)
    task = gr.Radio([COPY, QUESTION], value=COPY, label="What is read", elem_id="task")
    with gr.Row():
        cell = gr.Dropdown(
            [("plain RNN", "rnn"), ("LSTM", "lstm"), ("GRU", "gru")], value="rnn", label="Cell", elem_id="flow-cell"
        )
        layers = gr.Slider(1, 4, 1, step=1, label="Layers")
        clip = gr.Checkbox(False, label="Clip to 1", info="the L2 norm", elem_id="clip")
    with gr.Row():
        scale = gr.Slider(0.5, 3, 0.9, step=0.1, label="Singular values of the recurrent matrix")
        bias = gr.Slider(0, 4, 1, step=1, label="Forget bias (LSTM)")
    flow = shown("flow")
    gr.Markdown(ABOUT_OWN)
    follow = gr.Button("Follow the answer's gradient", elem_id="follow")
    own = shown("own-flow")

    follow.click(gpu(acts.own), [photo, question], own, preprocess=False, api_name="own_flow", **busy)
    settings: list[Any] = [task, question, cell, layers, bias, scale, clip]
    changes = [tab.select, *(setting.change for setting in settings if setting is not question)]
    gr.on(changes, gpu(acts.flow), settings, flow, api_name="flow", show_progress="hidden", **busy)


def shown(identity: str) -> gr.HTML:
    """A place for a picture that the server draws; it escapes all text."""
    return gr.HTML(elem_id=identity, elem_classes="glimpse", apply_default_css=False)
