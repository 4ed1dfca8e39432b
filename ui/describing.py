"""The tab that describes a photo in a sentence, and shows where the model looked at each word."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.hosting.zero_gpu import gpu
from ui.lazy import Lazy
from ui.models import BUNDLED, Models
from ui.payload import api, layer, refusal
from ui.photos import photo_bytes, picture_url
from ui.viewer import drawn

if TYPE_CHECKING:
    from vqa.captioning.describe import Describer

TOP_P = 0.9
ABOUT = """An LSTM writes a word at a time, and before each it looks at the photo (*Show, Attend and Tell*). Choose a \
word, step with the arrow keys, or play the sentence."""


class Describing:
    """What the tab does; the captioner is loaded with the first photo, and sees through the bundled image encoder."""

    def __init__(self, models: Models):
        self.models = models
        self._lazy = Lazy(self._load)

    @property
    def model(self) -> "Describer":
        return self._lazy.get()

    def _load(self) -> "Describer":
        from vqa.captioning.describe import Describer

        return Describer.load(vqa=self.models.get(BUNDLED))

    def likeliest(self, photo: dict | None) -> dict[str, Any]:
        """The caption that beam search finds."""
        return self._drawable(photo)

    def by_chance(self, photo: dict | None, temperature: float, drawings: int) -> tuple[dict[str, Any], int]:
        """Another one at each click."""
        return self._drawable(photo, temperature=temperature, top_p=TOP_P, seed=drawings), drawings + 1

    def _drawable(self, photo: dict | None, **options: Any) -> dict[str, Any]:
        try:
            content, model = photo_bytes(photo), self.model
            with self.models.lock:
                look = model.vqa.look(content)
                found = model.describe(look, **options)
            words = [
                layer(f"'{word}'", word, attention) | {"probability": chance} for word, chance, attention in found.words
            ]
            return {"photo": picture_url(look.photo), "text": found.text, "layers": words, "seconds": found.seconds}
        except Exception as error:
            return {"error": refusal(error)}

    @api
    def describe(self, photo: dict[str, Any] | None, beam: float = 3, temperature: float = 0) -> dict[str, Any]:
        """Describe a photo in a sentence, and say for each word where the model looked.

        Args:
            photo: the photo to describe.
            beam: how many captions are kept at each word, 1 to 20.
            temperature: above 0 draws the words by chance instead; below 1 more soberly.
        """
        chance: dict[str, Any] = {"temperature": temperature, "top_p": TOP_P} if temperature else {}
        content, model = photo_bytes(photo), self.model
        with self.models.lock:
            return model.describe(content, beam=int(beam), **chance).to_dict()


def describe_tab(describing: Describing, photo: gr.Image) -> gr.HTML:
    """Fill the tab that is being built; photo is the page's. Returns what a new photo is to clear."""
    gr.Markdown(ABOUT)
    drawings = gr.State(0)
    with gr.Row():
        likeliest = gr.Button("Describe the photo", variant="primary", elem_id="describe")
        chance = gr.Button("By chance", elem_id="by-chance")
        temperature = gr.Slider(0.1, 2, 0.7, step=0.1, label="Temperature of that chance")
    caption = drawn("describer", elem_id="caption")
    busy: dict[str, Any] = {"preprocess": False, "concurrency_id": "model", "api_visibility": "private"}
    likeliest.click(gpu(describing.likeliest), photo, caption, api_name="describe_photo", **busy)
    given = [photo, temperature, drawings]
    chance.click(gpu(describing.by_chance), given, [caption, drawings], api_name="describe_by_chance", **busy)
    return caption


def register(describing: Describing) -> None:
    """Put `/describe` into the page that is being built."""
    photo = gr.Image(visible=False, type="filepath", label="photo")
    beam = gr.Number(3, visible=False, label="beam", precision=0)
    temperature = gr.Number(0, visible=False, label="temperature")
    result = gr.JSON(visible=False, label="result")
    given: list[Any] = [photo, beam, temperature]
    gr.on(
        [],
        gpu(describing.describe),
        given,
        result,
        api_name="describe",
        preprocess=False,
        concurrency_id="model",
    )
