"""The page's own components: what `ui/static/*.js` draws."""

from typing import Any

import gradio as gr

ROOT = '<div class="glimpse"></div>'

from gradio.events import Dependency

class Drawn(gr.HTML):
    """An HTML component whose JSON value is drawn by the function `draw` of `window.glimpse`, in the browser."""

    def __init__(self, draw: str, value: Any = None, events: tuple[str, ...] = (), **options: Any):
        # gradio finds a component's own events by their quoted names in this script
        names = "".join(f" // '{event}'\n" for event in events)
        script = f"{names}window.glimpse.{draw}({{ element, props, watch, trigger }});"
        super().__init__(value, html_template=ROOT, js_on_load=script, apply_default_css=False, **options)

    def get_block_name(self) -> str:
        return "html"

    def postprocess(self, value: Any) -> Any:
        return value

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def viewer(pickable: bool = False, **options: Any) -> Drawn:
    """Answers, side by side if there are several; a `pick` names the answer that was clicked."""
    return Drawn("viewer", events=("pick",), pickable=pickable, **options)


def chips(**options: Any) -> Drawn:
    """Questions to click; a `pick` names the one."""
    return Drawn("chips", events=("pick",), **options)


def paint(**options: Any) -> Drawn:
    """A photo to paint on; `painted` tells the mask."""
    return Drawn("paint", events=("painted",), **options)


def conversation(**options: Any) -> Drawn:
    """Questions and answers on one photo."""
    return Drawn("conversation", **options)