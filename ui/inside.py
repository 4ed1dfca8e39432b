"""The tab Inside: what the question encoder's cells hold, and how far gradients reach."""

from html import escape
from typing import Any

import gradio as gr

from ui.completing import Completing
from ui.models import Models
from ui.photos import photo_bytes
from ui.shown import refusal
from ui.zero_gpu import gpu
from vqa.inside.pictures import MEANING, STRIPS, coloured_text, flow_chart, gate_strips

ABOUT_CELLS = """### Reading a cell
The question is read word by word, or letter by letter. Choose one of the numbers that the model keeps and see its value
at each of them: orange is positive, blue negative. Below are its gates: what is written, kept and shown."""
ABOUT_FLOW = """### How far the gradient reaches
While a model learns, an error at the last step has to flow back through all steps before. This is the first gradient
of a task whose answer is the very first symbol: where the line falls, nothing of it arrives; where it rises, it
explodes."""
ABOUT_OWN = """### In the model that answers here
How much each word's state weighs in its answer to your question about your photo."""
WORDS, CHARACTERS = "the one that answers (words)", "the one that completes (characters)"
PARTS = [(f"{name} ({MEANING[name]})", name) for name in STRIPS]


class Inside:
    """What the tab does on each event. A refusal is shown in the place of the picture."""

    def __init__(self, models: Models, completing: Completing):
        self.models, self.completing = models, completing

    def cells(self, question: str, reader: str, layer: float, part: str, unit: float) -> str:
        """One unit over the question's words, or its characters."""
        from vqa.inside.cells import read_question

        try:
            if reader == CHARACTERS:
                reading = self.completing.model.read(question.lower())
            else:
                vqa = self.models.get()
                with self.models.lock:
                    reading = read_question(vqa, question)
            place = int(layer) - 1, int(unit)
            values = reading.unit(place[0], part, place[1])
            return coloured_text(reading.tokens, values.tolist()) + gate_strips(reading, *place)
        except Exception as error:
            return failed(error)

    def own(self, photo: dict | None, question: str) -> str:
        """The gradient of the model's own answer, by word."""
        from vqa.inside.gradients import question_flow

        try:
            content, vqa = photo_bytes(photo), self.models.get()
            with self.models.lock:
                words, flow = question_flow(vqa, content, question)
            curves = {"hidden state": flow.h[-1]} | ({"cell": flow.c[-1]} if flow.c else {})
            title = f"Gradient by word; largest singular value {max(flow.singular):.1f}"
            return flow_chart(curves, title, words)
        except Exception as error:
            return failed(error)

    def flow(self, cell: str, layers: float, bias: float, scale: float, clip: bool) -> str:
        """The gradient of a long copy task, by layer."""
        from vqa.inside.gradients import copy_task, reach

        try:
            flow = copy_task(cell, int(layers), forget_bias=bias, scale=scale, clip=1.0 if clip else None)
            curves = {f"hidden state, layer {k + 1}": curve for k, curve in enumerate(flow.h)}
            curves |= {f"cell, layer {k + 1}": curve for k, curve in enumerate(flow.c)}
            left = reach((flow.c or flow.h)[-1])
            told = (
                f"At the first step arrives {left:.2g} times the last step's gradient. Largest singular value of the "
                f"recurrent matrix: {max(flow.singular):.2f}. L2 norm of the weights' gradient: {flow.gradient:.2g}"
            )
            told += "." if flow.clipped is None else f", clipped to {flow.clipped:.2g}."
            return f"{flow_chart(curves, 'Norm of the gradient by step')}<p>{told}</p>"
        except Exception as error:
            return failed(error)


def inside_tab(models: Models, completing: Completing, tab: gr.Tab, photo: gr.Image, question: gr.Textbox) -> None:
    """Fill the tab that is being built; photo and question are the page's."""
    acts = Inside(models, completing)
    gr.Markdown(ABOUT_CELLS)
    with gr.Row():
        reader = gr.Dropdown([WORDS, CHARACTERS], value=WORDS, label="Which model reads", elem_id="reader")
        layer = gr.Number(1, label="Layer, counted from 1", precision=0, minimum=1, elem_id="layer")
    with gr.Row():
        part = gr.Dropdown(PARTS, value="h", label="Which number", elem_id="part")
        unit = gr.Number(0, label="Unit, counted from 0", precision=0, minimum=0, elem_id="unit")
    read = gr.Button("Read the question", variant="primary", elem_id="read")
    cells = shown("cells")
    gr.Markdown(ABOUT_FLOW)
    with gr.Row():
        cell = gr.Dropdown([("plain RNN", "rnn"), ("LSTM", "lstm"), ("GRU", "gru")], value="rnn", label="Cell")
        layers = gr.Slider(1, 4, 1, step=1, label="Layers")
        clip = gr.Checkbox(False, label="Clip to 1", info="the L2 norm", elem_id="clip")
    with gr.Row():
        scale = gr.Slider(0.5, 3, 0.9, step=0.1, label="Singular values of the recurrent matrix")
        bias = gr.Slider(0, 4, 1, step=1, label="Forget bias (LSTM)")
    flow = shown("flow")
    gr.Markdown(ABOUT_OWN)
    follow = gr.Button("Follow the answer's gradient", elem_id="follow")
    own = shown("own-flow")

    busy: dict[str, Any] = {"concurrency_id": "model", "api_visibility": "private"}
    reading = [read.click, reader.change, part.change, layer.submit, unit.submit]
    gr.on(reading, gpu(acts.cells), [question, reader, layer, part, unit], cells, api_name="read_cells", **busy)
    follow.click(gpu(acts.own), [photo, question], own, preprocess=False, api_name="own_flow", **busy)
    settings: list[Any] = [cell, layers, bias, scale, clip]
    changes = [tab.select, *(setting.change for setting in settings)]
    gr.on(changes, acts.flow, settings, flow, api_name="flow", show_progress="hidden", **busy)


def failed(error: Exception) -> str:
    """The sentence that stands where the picture would."""
    return f'<p class="failed" role="alert">{escape(refusal(error))}</p>'


def shown(identity: str) -> gr.HTML:
    """A place for a picture that the server draws; it escapes all text."""
    return gr.HTML(elem_id=identity, elem_classes="glimpse", apply_default_css=False)
