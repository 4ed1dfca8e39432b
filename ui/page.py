"""The page: a photo and a question on the left, and what is made of them on the right, a tab each."""

from typing import Any

import gradio as gr

from ui import about, api, talk
from ui.examples import GENERAL, examples
from ui.models import Models
from ui.photos import photo_bytes, picture_url
from ui.shown import drawable, layer, refusal, shown
from ui.viewer import chips, conversation, paint, viewer

MAX_CHARACTERS = 300
LOADING = "The model is loading: a few seconds, once. You can choose a photo meanwhile."


def build_page(models: Models) -> gr.Blocks:
    """The app over models that may still be loading."""
    acts = Acts(models)
    with gr.Blocks(title="Glimpse", analytics_enabled=False, delete_cache=(3600, 3600), fill_width=True) as page:
        gr.Markdown("# Glimpse\nAsk a photo a question, and see where the model looked.")
        note = gr.Markdown(LOADING, elem_id="loading")
        tab, mask, turns = gr.State("ask"), gr.State(None), gr.State([], time_to_live=3600)
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                photo = gr.Image(
                    label="Photo", type="filepath", sources=["upload", "webcam", "clipboard"], height=320, elem_id="photo"
                )
                question = gr.Textbox(
                    label="Question",
                    placeholder="what is on the table?",
                    max_length=MAX_CHARACTERS,
                    max_lines=3,
                    elem_id="question",
                )
                button = gr.Button("Ask", variant="primary", elem_id="ask")
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
                        as_json = gr.DownloadButton("Download as JSON", elem_id="as-json")
                        as_picture = gr.DownloadButton("Download as a picture", elem_id="as-picture")
                        forget = gr.Button("Start over", elem_id="forget")
                with gr.Tab("Compare", id="compare") as compare_tab:
                    with gr.Row():
                        first, second = (model_choice(models, label) for label in ("First model", "Second model"))
                    both = viewer(elem_id="both")
                with gr.Tab("About", id="about"):
                    facts = gr.Markdown(elem_id="about")
        api.register(models)

        quick = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        busy = {"concurrency_id": "model", "api_visibility": "private"}
        for each, name in ((ask_tab, "ask"), (what_if_tab, "what_if"), (talk_tab, "talk"), (compare_tab, "compare")):
            each.select(lambda name=name: name, outputs=tab, api_name=f"open_{name}", **quick)
        page.load(acts.ready, outputs=[note, facts], api_name="ready", api_visibility="private", show_progress="hidden")

        asking = {
            "fn": acts.go,
            "inputs": [tab, photo, question, mask, turns, first, second],
            "outputs": [tabs, answer, painting, said, turns, both],
            "preprocess": False,
            **busy,
        }
        gr.on([question.submit, button.click], api_name="go", **asking)
        picked = suggestions.pick(acts.suggested, outputs=question, api_name="suggested", **quick)
        picked.then(api_name="go_suggested", **asking)
        gallery.click(acts.example, gallery, [photo, suggestions, question], api_name="example", **quick)

        # A new photo: what was said about the old one is cleared, and the model looks before anybody has asked.
        cleared = photo.change(acts.clear, outputs=[answer, covered, both, mask, turns, said], api_name="clear", **quick)
        cleared.then(acts.look, photo, [answer, painting], preprocess=False, api_name="look", **busy)
        photo.upload(lambda: list(GENERAL), outputs=suggestions, api_name="suggest", **quick)

        painting.painted(acts.painted, outputs=mask, api_name="painted", **quick)
        answer.pick(acts.pick, photo, answer, preprocess=False, api_name="pick", **busy)
        cover.click(acts.cover, [photo, question], covered, preprocess=False, api_name="cover", **busy)
        forget.click(lambda: ([], {}), outputs=[turns, said], api_name="forget", **quick)
        as_json.click(talk.write_json, turns, as_json, api_name="talk_as_json", **quick)
        as_picture.click(talk.write_picture, turns, as_picture, api_name="talk_as_picture", **quick)
    return page


def model_choice(models: Models, label: str) -> gr.Dropdown:
    """A choice among the models on offer, or any, where the page is on the user's own machine."""
    info = "A folder or a Hub id may be typed too." if models.any_model else None
    return gr.Dropdown(
        models.offered, value=models.own, label=label, info=info, allow_custom_value=models.any_model, elem_classes="model"
    )


class Acts:
    """What the page does on each event. A refusal is shown in the page, where the answer would be."""

    def __init__(self, models: Models):
        self.models = models

    def ready(self) -> tuple[str, str]:
        """Wait for the model; then the note goes and the page can tell about it."""
        try:
            vqa = self.models.get()
        except Exception as error:
            return refusal(error), ""
        return "", about.text(vqa)

    def go(self, tab: str, photo: dict | None, question: str, mask: list | None, turns: list, first: str, second: str):
        """Ask, in the way of the open tab; the other tabs stay as they are."""
        new: dict[str, Any] = {}
        try:
            content = photo_bytes(photo)
            if tab == "what_if":
                new["painting"] = self.painted_answer(content, question, mask)
            elif tab == "talk":
                turns = talk.add(turns, shown(self.models, content, question))
                new |= {"turns": turns, "said": {"turns": turns}}
            elif tab == "compare":
                new["both"] = [shown(self.models, content, question, name, title=name) for name in (first, second)]
            else:
                new |= {"tabs": gr.Tabs(selected="ask"), "answer": shown(self.models, content, question)}
        except Exception as error:
            failed = {"error": refusal(error)}
            place = {"what_if": "painting", "talk": "said", "compare": "both"}.get(tab, "answer")
            if place == "painting":
                failed |= self.canvas(photo)
            elif place == "said":
                failed |= {"turns": turns}
            new[place] = failed
        return [new.get(name, gr.skip()) for name in ("tabs", "answer", "painting", "said", "turns", "both")]

    def painted_answer(self, content: bytes, question: str, mask: list | None) -> dict[str, Any]:
        """The painting tab's value: the answers before and after, and the changes."""
        from vqa.evidence import what_if

        vqa = self.models.get()
        with self.models.lock:
            found = what_if(vqa, content, question, mask or [[0]])
            picture = vqa.look(content).photo
        told = found.to_dict()
        return {
            "photo": picture_url(picture),
            "before": drawable(told["before"], picture, question, "Before"),
            "after": drawable(told["after"], found.photo, question, "With the part covered"),
            "changes": told["changes"],
        }

    def canvas(self, photo: dict | None) -> dict[str, Any]:
        """The painting tab's photo, if there is one that can be read."""
        try:
            return {"photo": picture_url(self.models.get().look(photo_bytes(photo)).photo)}
        except Exception:
            return {}

    def look(self, photo: dict | None):
        """Encode a new photo at once, so that the first answer comes fast; a bad one is told at once."""
        if not photo:
            return gr.skip(), {}
        try:
            content, vqa = photo_bytes(photo), self.models.get()
            with self.models.lock:
                return gr.skip(), {"photo": picture_url(vqa.look(content).photo)}
        except Exception as error:
            return {"error": refusal(error)}, {}

    def clear(self):
        """Forget what was said about the last photo."""
        return None, None, None, None, [], {}

    def example(self, index: int):
        """One of our photos, with questions that fit it."""
        chosen = examples()[index]
        return str(chosen.photo), list(chosen.questions), chosen.questions[0]

    def suggested(self, event: gr.EventData) -> str:
        """The question that was clicked."""
        return str(event.question)[:MAX_CHARACTERS]

    def painted(self, event: gr.EventData) -> list | None:
        """The mask that was painted."""
        return event.mask

    def pick(self, photo: dict | None, event: gr.EventData) -> dict[str, Any]:
        """Show where another of the best answers comes from."""
        from vqa.evidence import evidence

        try:
            content, vqa = photo_bytes(photo), self.models.get()
            question, answer = str(event.question), str(event.answer)
            with self.models.lock:
                weights = evidence(vqa, content, question, answer)
            return shown(self.models, content, question) | {"layers": [layer(f"speaks for '{answer}'", answer, weights)]}
        except Exception as error:
            return {"error": refusal(error)}

    def cover(self, photo: dict | None, question: str, progress: gr.Progress = gr.Progress()) -> dict[str, Any]:
        """The occlusion map of the best answer."""
        from vqa.evidence import occlusion

        try:
            content = photo_bytes(photo)
            found = shown(self.models, content, question)
            answer, vqa = found["result"]["answer"], self.models.get()
            with self.models.lock:
                falls = occlusion(
                    vqa, content, question, answer, lambda done, of: progress((done, of), "covering", unit="places")
                )
            title = f"Where covering a place makes '{answer}' less likely (at most {100 * falls.max():.1f} points)"
            return found | {"title": title, "layers": [layer(f"covering lowers '{answer}'", answer, falls)]}
        except Exception as error:
            return {"error": refusal(error)}
