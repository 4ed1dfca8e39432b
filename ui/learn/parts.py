"""What the pages are built of beside gradio's own components."""

import gradio as gr

HEADER = """<header class="bar"><a class="skip" href="#{target}">To the content</a><p class="name"><a href="./">\
<b>Glimpse</b></a></p><nav aria-label="Pages"><a href="./learn" {learn}>Learn</a><a href="./about" {about}>\
About</a></nav></header>"""
ARGUMENTS = "{ element: element.querySelector('.glimpse'), props, watch, trigger }"


def script(module: str, event: str, elem_id: str) -> gr.HTML:
    """An HTML component with an event, drawn in the browser by the function `start` of a JavaScript module of ours."""
    load = f"import(new URL('glimpse/{module}', document.baseURI)).then((m) => m.start({ARGUMENTS}));"
    code = f"// '{event}'\n{load}"  # gradio finds a component's own events by their quoted names in this code
    element = '<div class="glimpse"></div>'
    return gr.HTML({}, html_template=element, js_on_load=code, apply_default_css=False, elem_id=elem_id)


def picture(elem_id: str) -> gr.HTML:
    """A picture that the server draws as HTML or SVG, with all text escaped."""
    return gr.HTML(elem_id=elem_id, elem_classes="glimpse", apply_default_css=False)


def header(page: str) -> gr.HTML:
    """The header of the pages Learn and About."""
    marks = {name: 'aria-current="page"' if name == page else "" for name in ("learn", "about")}
    return gr.HTML(HEADER.format(target=page, **marks), apply_default_css=False)
