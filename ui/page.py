"""What gradio serves: the functions that programs call, and the pages Learn and About."""

from unittest.mock import patch

import ui.hosting.quick_import  # noqa: F401

# isort: split
import gradio as gr
from gradio.routes import App

from ui.api.functions import Function
from ui.api.register import register
from ui.learn.page import build_about, build_learn
from ui.models import Models


# gradio makes a server for each of the pages while they are built; that which serves them is made when they are opened
@patch.object(App, "create_app", new=lambda *_, **__: None)
def build_page(models: Models, functions: list[Function]) -> gr.Blocks:
    """The app in gradio, over models that may still be loading."""
    with gr.Blocks(title="Glimpse", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        for function in functions:
            if function.public:
                register(function)
    build_learn(page, models)
    build_about(page, models)
    return page
