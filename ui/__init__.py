"""The Gradio app. `page` puts it together; each tab is a module of `ui.tabs` with its layout, events and API."""

from pathlib import Path

STATIC = Path(__file__).parent / "static"  # scripts, style, texts and pictures
