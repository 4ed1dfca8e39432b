"""See test_guard.py for what a running app refuses."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest

from ui.hosting.inputs import guard


def test_a_number_out_of_its_range_leaves_no_traceback():
    with gr.Blocks() as page:
        number = gr.Slider(0, 4, label="Layers")
        number.change(lambda value: value, number, number)
    guard(page)
    (change,) = page.fns.values()
    with ThreadPoolExecutor(1) as pool, pytest.raises(gr.Error, match="maximum value 4") as refused:
        pool.submit(lambda: asyncio.run(page.preprocess_data(change, [9], None))).result()  # playwright's loop is here
    assert not refused.value.print_exception
