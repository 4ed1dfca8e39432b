"""What the pages are built of beside gradio's own components."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

HEADER = """<header class="bar"><a class="skip" href="#{target}">To the content</a><p class="name"><a href="{home}">\
<b>Glimpse</b></a></p><nav aria-label="Pages"><a href="{home}learn" {learn}>Learn</a><a href="{home}about" {about}>\
About</a></nav></header>"""


ARGUMENTS = "{ element: element.querySelector('.glimpse'), props, watch, trigger }"


def script(module: str, value: Any = None, events: Sequence[str] = (), **options: Any) -> gr.HTML:
    """An HTML component that the function `start` of a JavaScript module of ours draws, in the browser."""
    # gradio finds a component's own events by their quoted names in this code
    names = "".join(f"// '{event}'\n" for event in events)
    load = f"import(new URL('glimpse/{module}', document.baseURI)).then((m) => m.start({ARGUMENTS}));"
    options |= {"html_template": '<div class="glimpse"></div>', "apply_default_css": False}
    return gr.HTML(value, js_on_load=names + load, **options)


def picture(elem_id: str) -> gr.HTML:
    """A picture that the server draws as HTML or SVG, with all text escaped."""
    return gr.HTML(elem_id=elem_id, elem_classes="glimpse", apply_default_css=False)


def header(page: str) -> gr.HTML:
    """The header of the pages Learn and About."""
    marks = {name: 'aria-current="page"' if name == page else "" for name in ("learn", "about")}
    return gr.HTML(HEADER.format(target=page, home="./", **marks), apply_default_css=False)
