"""The Gradio app: `page` puts it together; `stage` (the photo), `thread` (questions and answers), `learn`, `api`."""

from pathlib import Path

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"  # style, pictures, and the scripts that all parts of the page share
