"""How far gradients reach, in the tab Inside: in a core of chosen settings, and in the model that answers."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.api.payload import photo_bytes, refused_in_html
from ui.api.register import WITH_PHOTO, compute
from ui.learn.parts import picture
from ui.models import Part
from vqa.inside.pictures import flow_chart

ABOUT_CORE = """## How far the gradient reaches
While a model learns, an error at the last step has to flow back through all steps before. This is the first gradient of
an untrained network that has to name the very first of 100 symbols, or to answer your question: where the line falls
toward step 1, the gradient vanishes; where it rises, it explodes."""
ABOUT_OWN = """## In the model that answers here
How much each word's state weighs in its answer to your question about your photo."""
COPY, QUESTION = "a long copy task", "the question above"
CLIP = 1.0


class Flows(Part):
    """A chart for an untrained core of chosen settings, and one for the model's own answer."""

    def build(self, photo: gr.Image, question: gr.Textbox, opened: Callable) -> None:
        """opened: the event of the page's opening, when the first chart is drawn."""
        gr.Markdown(ABOUT_CORE)
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
        flow = picture("flow")
        gr.Markdown(ABOUT_OWN)
        follow = gr.Button("Follow the answer's gradient", elem_id="follow")
        own = picture("own-flow")

        compute(follow.click, self.own, [photo, question], own, **WITH_PHOTO)
        settings: list[Any] = [task, cell, layers, bias, scale, clip]
        changes = [opened, *(setting.change for setting in settings)]
        compute(changes, self.flow, [question, *settings], flow, show_progress="hidden")

    @refused_in_html
    def own(self, photo: dict | None, question: str) -> str:
        """The gradient of the model's own answer, by word."""
        from vqa.inside.gradients import question_flow
        from vqa.predict import ours

        content = self.models.decode(photo_bytes(photo))
        with self.models.use() as vqa:
            words, flow = question_flow(ours(vqa), content, question)
        curves = {"hidden state": flow.h[-1]} | ({"cell": flow.c[-1]} if flow.c else {})
        return flow_chart(curves, f"Gradient by word; largest singular value {max(flow.singular):.1f}", words)

    @refused_in_html
    def flow(self, question: str, task: str, cell: str, layers: float, bias: float, scale: float, clip: bool) -> str:
        """The first gradient of an untrained core of these settings, by layer."""
        from vqa.inside.gradients import copy_task, question_task, reach
        from vqa.predict import ours

        words = None
        settings: dict[str, Any] = {"forget_bias": bias, "scale": scale, "clip": CLIP if clip else None}
        if task == QUESTION:
            with self.models.use() as model:
                vqa = ours(model)
                words, _ = vqa.words(question)
                flow = question_task(vqa, [question], cell, int(layers), **settings)
        else:
            flow = copy_task(cell, int(layers), **settings)
        curves = {f"hidden state, layer {k + 1}": curve for k, curve in enumerate(flow.h)}
        curves |= {f"cell, layer {k + 1}": curve for k, curve in enumerate(flow.c)}
        left = reach((flow.c or flow.h)[-1])
        singular = ", ".join(f"{value:.2f}" for value in flow.singular)
        note = (
            f"The gradient at the first step is {left:.2g} times that at the last. Largest singular value of the "
            f"recurrent matrix: {singular}. L2 norm of the weights' gradient: {flow.gradient:.2g}"
        )
        title = "Norm of the gradient by step"
        if flow.clipped is not None and flow.clipped < flow.gradient:
            title += ", after clipping"
            curves = {name: [value * flow.clip_factor for value in curve] for name, curve in curves.items()}
            note += f", clipped to {flow.clipped:.2g}: every step now adds {flow.clip_factor:.2g} times as much."
        else:
            note += ", so there is nothing to clip." if clip else "."
        return f"{flow_chart(curves, title, words)}<p>{note}</p>"
