"""What the page does on each event: ask, look, paint over, explain."""

from typing import Any

import gradio as gr

from ui import about
from ui import conversation as talk
from ui.examples import examples
from ui.models import Models
from ui.payload import PROGRESS, drawable, layer, refusal, shown
from ui.photos import photo_bytes, picture_url
from vqa.model.errors import InputError
from vqa.model.photos import open_photo

MAX_CHARACTERS = 300


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
            failed: dict[str, Any] = {"error": refusal(error)}
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
            content, vqa = photo_bytes(photo), self.models.get()
            with self.models.lock:
                return {"photo": picture_url(vqa.look(content).photo)}
        except InputError:
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
        return None, None, None, None, None, [], {}

    def example(self, index: int):
        """One of our photos, with questions that fit it."""
        chosen = examples()[index]
        # As a picture, not a path: gradio hands out no file that lies outside the folder the app was started in.
        return open_photo(chosen.photo), list(chosen.questions), chosen.questions[0]

    def suggested(self, event: gr.EventData) -> str:
        """The question that was clicked."""
        return str(event.question)[:MAX_CHARACTERS]

    def meant(self, event: gr.EventData) -> tuple[str, list]:
        """The mended question that was clicked; it is offered no longer."""
        return self.suggested(event), []

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
            return shown(self.models, content, question) | {
                "layers": [layer(f"speaks for '{answer}'", answer, weights)]
            }
        except Exception as error:
            return {"error": refusal(error)}

    def cover(self, photo: dict | None, question: str, progress: gr.Progress = PROGRESS) -> dict[str, Any]:
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
