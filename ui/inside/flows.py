"""How far gradients reach, in the tab Inside: in a core of chosen settings, and in the model that answers."""

from typing import Any

from ui.inside.cells import failed
from ui.models import Models
from ui.photos import photo_bytes
from vqa.inside.pictures import flow_chart

COPY, QUESTION = "a long copy task", "the question above"
CLIP = 1.0


class Flows:
    """What the tab does on each event. A refusal is shown in the place of the picture."""

    def __init__(self, models: Models):
        self.models = models

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

    def flow(self, task: str, question: str, cell: str, layers: float, bias: float, scale: float, clip: bool) -> str:
        """The first gradient of an untrained core of these settings, by layer."""
        from vqa.inside.gradients import copy_task, question_task, reach

        try:
            words = None
            settings: dict[str, Any] = {"forget_bias": bias, "scale": scale, "clip": CLIP if clip else None}
            if task == QUESTION:
                vqa = self.models.get()
                with self.models.lock:
                    words, _ = vqa.processor.words(question)
                    flow = question_task(vqa, [question], cell, int(layers), **settings)
            else:
                flow = copy_task(cell, int(layers), **settings)
            curves = {f"hidden state, layer {k + 1}": curve for k, curve in enumerate(flow.h)}
            curves |= {f"cell, layer {k + 1}": curve for k, curve in enumerate(flow.c)}
            left = reach((flow.c or flow.h)[-1])
            singular = ", ".join(f"{value:.2f}" for value in flow.singular)
            told = (
                f"At the first step arrives {left:.2g} times the last step's gradient. Largest singular value of the "
                f"recurrent matrix: {singular}. L2 norm of the weights' gradient: {flow.gradient:.2g}"
            )
            title = "Norm of the gradient by step"
            if flow.clipped is not None and flow.clipped < flow.gradient:
                title += ", as clipping leaves it"
                curves = {name: [value * flow.kept for value in curve] for name, curve in curves.items()}
                told += f", clipped to {flow.clipped:.2g}: every step now adds {flow.kept:.2g} times as much."
            else:
                told += ", so there is nothing to clip." if clip else "."
            return f"{flow_chart(curves, title, words)}<p>{told}</p>"
        except Exception as error:
            return failed(error)
