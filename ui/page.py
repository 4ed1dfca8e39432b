"""The app: one page with a photo and a thread of questions, drawn in the browser, and the pages Learn and About."""

from typing import Any
from unittest.mock import patch

import gradio as gr
from gradio.routes import App

from ui.api.payload import picture_url
from ui.api.register import register
from ui.learn.page import build_about, build_learn
from ui.learn.parts import script
from ui.models import STEPS, Models
from ui.stage.evidence import Evidence
from ui.stage.examples import GENERAL, examples
from ui.stage.photo import Photo
from ui.thread.answers import Answers
from ui.thread.captions import Captions
from ui.thread.collect import Corrections
from ui.thread.picture import Picture
from ui.thread.suggestions import Suggestions
from vqa.data.collect import Collection
from vqa.model.photos import open_photo

THUMBNAIL = 200  # pixels of an example's longer side


# gradio makes a server for each of the pages while they are built; that which serves them is made when they are opened
@patch.object(App, "create_app", new=lambda *_, **__: None)
def build_page(models: Models, collection: Collection | None = None) -> gr.Blocks:
    """The app over models that may still be loading. collection: for the answers that people confirm or correct."""
    with gr.Blocks(title="Glimpse", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        script(
            "static/main.js",
            elem_id="glimpse",
            examples=[
                {"name": e.name, "questions": e.questions, "thumbnail": picture_url(open_photo(e.photo), THUMBNAIL)}
                for e in examples()
            ],
            general=GENERAL,
            models=models.offered,
            any_model=models.any_model,
            collects=collection is not None,
        )
        for part in (Answers, Captions, Suggestions, Picture, Evidence, Photo):
            part(models).build()
        if collection is not None:
            Corrections(collection).build()

        def status() -> dict[str, Any]:
            """What is being loaded, '' when nothing is, how far that is, and how many questions are waiting."""
            name = models.loading
            waiting = models.batches.waiting + len(page._queue)
            return {
                "loading": name,
                "done": STEPS.index(name) if name else len(STEPS),
                "of": len(STEPS),
                "waiting": waiting,
            }

        register(status, public=False, queue=False, concurrency_id="status")
    build_learn(page, models)
    build_about(page, models)
    return page
