"""The page's own components: what `ui/static/*.js` draws."""

from typing import Any

import gradio as gr


def drawn(draw: str, value: Any = None, events: tuple[str, ...] = (), **options: Any) -> gr.HTML:
    """An HTML component whose JSON value is drawn by the function `draw` of `window.glimpse`, in the browser."""
    # gradio finds a component's own events by their quoted names in this script
    names = "".join(f"// '{event}'\n" for event in events)
    script = f"{names}window.glimpse.{draw}({{ element, props, watch, trigger }});"
    return gr.HTML(
        value, html_template='<div class="glimpse"></div>', js_on_load=script, apply_default_css=False, **options
    )


def viewer(pickable: bool = False, **options: Any) -> gr.HTML:
    """Answers, side by side if there are several; a `pick` names the answer that was clicked."""
    return drawn("viewer", events=("pick",), pickable=pickable, **options)


def chips(**options: Any) -> gr.HTML:
    """Questions to click, with a word before them if `before` is one; a `pick` names the one."""
    return drawn("chips", events=("pick",), **options)


def found(**options: Any) -> gr.HTML:
    """A table of units that were found; a `pick` names one."""
    return drawn("found", value={}, events=("pick",), **options)


def paint(**options: Any) -> gr.HTML:
    """A photo to paint on; `painted` tells the mask."""
    return drawn("paint", events=("painted",), **options)


def conversation(**options: Any) -> gr.HTML:
    """Questions and answers on one photo."""
    return drawn("conversation", **options)
