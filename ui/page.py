"""The page: a photo and a question on the left, and what is made of them on the right, a tab each."""

from typing import Any

import gradio as gr

from ui import api, completing, describing, repairing
from ui import conversation as talk
from ui.describing import Describing, describe_tab
from ui.events import MAX_CHARACTERS, Acts
from ui.examples import GENERAL, examples
from ui.hosting.zero_gpu import gpu
from ui.inside.tab import inside_tab
from ui.models import Models
from ui.viewer import chips, conversation, paint, viewer

LOADING = "The model is loading: a few seconds, once. You can choose a photo meanwhile."


def build_page(models: Models) -> gr.Blocks:
    """The app over models that may still be loading."""
    acts, typing, writing = Acts(models), completing.Completing(), Describing(models)
    mending = repairing.Repairing(models)
    with gr.Blocks(title="Glimpse", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        gr.Markdown("# Glimpse\nAsk a photo a question, and see where the model looked.")
        note = gr.Markdown(LOADING, elem_id="loading")
        tab, mask, turns = gr.State("ask"), gr.State(None), gr.State([], time_to_live=3600)
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                photo = gr.Image(
                    label="Photo",
                    type="filepath",
                    format="png",
                    sources=["upload", "webcam", "clipboard"],
                    height=320,
                    elem_id="photo",
                )
                question = gr.Textbox(
                    label="Question",
                    placeholder="what is on the table?",
                    max_length=MAX_CHARACTERS,
                    max_lines=3,
                    elem_id="question",
                )
                button = gr.Button("Ask", variant="primary", elem_id="ask")
                meant = chips(value=[], before="Did you mean", elem_id="meant")
                completions = chips(value=[], elem_id="completions")  # after the button: Tab leads from text to Ask
                suggestions = chips(value=list(GENERAL), elem_id="chips")
                gallery = gr.Dataset(
                    label="Or take one of these",
                    components=[gr.Image(visible=False)],
                    samples=[[str(example.photo)] for example in examples()],
                    type="index",
                    elem_id="examples",
                )
            with gr.Column(scale=3, min_width=300), gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Ask", id="ask") as ask_tab:
                    answer = viewer(pickable=True, elem_id="answer")
                with gr.Tab("What if", id="what_if") as what_if_tab:
                    painting = paint(elem_id="painting")
                    cover = gr.Button("Cover every place in turn (a second or more)", elem_id="cover")
                    covered = viewer(elem_id="covered")
                with gr.Tab("Many questions", id="talk") as talk_tab:
                    said = conversation(elem_id="talk")
                    with gr.Row():
                        as_json = gr.Button("Download as JSON", elem_id="as-json")
                        as_picture = gr.Button("Download as a picture", elem_id="as-picture")
                        forget = gr.Button("Start over", elem_id="forget")
                    file = gr.JSON(visible=False)
                with gr.Tab("Describe", id="describe"):
                    caption = describe_tab(writing, photo)
                with gr.Tab("Compare", id="compare") as compare_tab:
                    with gr.Row():
                        first, second = (model_choice(models, label) for label in ("First model", "Second model"))
                    both = viewer(elem_id="both")
                with gr.Tab("Inside", id="inside") as inside:
                    inside_tab(models, typing, inside, photo, question)
                    repairing.alignment_part(mending, question)
                with gr.Tab("About", id="about"):
                    facts = gr.Markdown(elem_id="about")
        api.register(models)
        completing.register(typing)
        describing.register(writing)
        repairing.register(mending)

        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        busy: dict[str, Any] = {"concurrency_id": "model", "api_visibility": "private"}
        for each, name in ((ask_tab, "ask"), (what_if_tab, "what_if"), (talk_tab, "talk"), (compare_tab, "compare")):
            each.select(lambda name=name: name, outputs=tab, api_name=f"open_{name}", **quick)
        page.load(acts.ready, outputs=[note, facts], api_name="ready", api_visibility="private", show_progress="hidden")

        asking: dict[str, Any] = {
            "fn": gpu(acts.go),
            "inputs": [tab, photo, question, mask, turns, first, second],
            "outputs": [tabs, answer, painting, said, turns, both],
            "preprocess": False,
            **busy,
        }
        gr.on([question.submit, button.click], api_name="go", **asking)
        question.input(
            typing.suggest,
            question,
            completions,
            api_name="suggest_completions",
            api_visibility="private",
            show_progress="hidden",
            trigger_mode="always_last",
            concurrency_id="complete",
        )
        completions.pick(acts.suggested, outputs=question, api_name="completed", **quick)
        picked = suggestions.pick(acts.suggested, outputs=question, api_name="suggested", **quick)
        picked.then(api_name="go_suggested", **asking)
        picked = meant.pick(acts.meant, outputs=[question, meant], api_name="meant", **quick)
        picked.then(api_name="go_meant", **asking)
        gr.on(
            [question.submit, button.click],
            mending.suggest,
            question,
            meant,
            api_name="suggest_repair",
            trigger_mode="always_last",  # the next question may come before the model is loaded
            api_visibility="private",
            show_progress="hidden",
            concurrency_id="repair",
        )
        gallery.click(acts.example, gallery, [photo, suggestions, question], api_name="example", **quick)

        # A new photo: what was said about the old one is cleared, and the model looks before anybody has asked.
        cleared = photo.change(
            acts.clear, outputs=[answer, covered, both, caption, mask, turns, said], api_name="clear", **quick
        )
        cleared.then(gpu(acts.look), photo, [answer, painting], preprocess=False, api_name="look", **busy)
        photo.upload(lambda: list(GENERAL), outputs=suggestions, api_name="suggest", **quick)

        painting.painted(acts.painted, outputs=mask, api_name="painted", **quick)
        answer.pick(gpu(acts.pick), photo, answer, preprocess=False, api_name="pick", **busy)
        cover.click(gpu(acts.cover), [photo, question], covered, preprocess=False, api_name="cover", **busy)
        forget.click(lambda: ([], {}), outputs=[turns, said], api_name="forget", **quick)
        for download, make in ((as_json, talk.as_json), (as_picture, talk.as_picture)):
            made = download.click(make, turns, file, api_name=f"talk_{make.__name__}", **quick)
            made.then(None, file, js="(file) => window.glimpse.save(file)", api_visibility="private")
    return page


def model_choice(models: Models, label: str) -> gr.Dropdown:
    """A choice among the models on offer, or any, where the page is on the user's own machine."""
    info = "A folder or a Hub id may be typed too." if models.any_model else None
    return gr.Dropdown(
        models.offered,
        value=models.own,
        label=label,
        info=info,
        allow_custom_value=models.any_model,
        elem_classes="model",
    )
