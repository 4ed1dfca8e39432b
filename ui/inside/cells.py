"""Reading cells in the tab Inside: one unit over the question, and a search for units that follow something."""

from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.completing import Completing
from ui.models import Models
from ui.payload import refusal
from vqa.inside.nameable import nameable
from vqa.inside.pictures import MEANING, STRIPS, coloured_text, gate_strips

if TYPE_CHECKING:
    from vqa.inside.cells import Reading
    from vqa.inside.search import Search

WORDS, CHARACTERS = "the one that answers (words)", "the one that completes (characters)"
PARTS = [(f"{name} ({MEANING[name]})", name) for name in STRIPS]
NAMES = {reader: list(nameable([["what"]], letters)) for reader, letters in ((WORDS, False), (CHARACTERS, True))}
TOP = 5


class Cells:
    """What the tab does on each event. A refusal is shown in the place of the picture."""

    def __init__(self, models: Models, completing: Completing):
        self.models, self.completing = models, completing
        self._searches: dict[str, Search] = {}

    def reading(self, question: str, reader: str) -> "Reading":
        from vqa.inside.cells import read_question

        if reader == CHARACTERS:
            return self.completing.model.read(question.lower())
        vqa = self.models.get()
        with self.models.lock:
            return read_question(vqa, question)

    def unknown(self, question: str, reader: str) -> list[str]:
        """The words, or characters, that the reader has never learned."""
        if reader == CHARACTERS:
            return self.completing.model.characters.unknown(question.lower())
        return self.models.get().processor.words(question)[1]

    def cells(self, question: str, reader: str, layer: float, part: str, unit: float) -> str:
        """One unit over the question's words, or its characters."""
        try:
            reading, place = self.reading(question, reader), (whole(layer, "layer") - 1, whole(unit, "unit"))
            unknown = self.unknown(question, reader)
            values = reading.unit(place[0], part, place[1])
            return coloured_text(reading.tokens, values.tolist()) + gate_strips(reading, *place) + told(unknown)
        except Exception as error:
            return failed(error)

    def search(self, reader: str) -> "Search":
        """All scores of a reader's units, computed once, over questions that the character model makes up."""
        from vqa.inside.questions import made_up_questions
        from vqa.inside.search import search_letters, search_questions

        with self.models.lock:
            if reader not in self._searches:
                texts = made_up_questions(self.completing.model)
                if reader == CHARACTERS:
                    self._searches[reader] = search_letters(self.completing.model, texts)
                else:
                    self._searches[reader] = search_questions(self.models.get(), texts)
            return self._searches[reader]

    def find(self, reader: str, feature: str) -> dict[str, Any]:
        """The units that follow a feature best, as the page's table draws them."""
        try:
            search = self.search(reader)
            found = search.best(feature, TOP)
            measure = "AUC" if search.yes_or_no(feature) else "correlation"
            rows = [
                {
                    "name": f"{'cell' if unit.name == 'c' else 'hidden'} {unit.unit} of layer {unit.layer + 1}",
                    "way": "high" if unit.follows else "low",
                    "score": f"{unit.score:.2f}",
                    "chosen": f"{unit.chosen:.2f}",
                    "pick": {"layer": unit.layer + 1, "part": unit.name, "unit": unit.unit, "feature": feature},
                }
                for unit in found
            ]
            return {"feature": feature, "measure": measure, "texts": len(search.texts), "rows": rows}
        except Exception as error:
            return {"error": refusal(error)}

    def pick(self, question: str, reader: str, event: gr.EventData) -> tuple[int, str, int, str, str]:
        """Show a unit of the table: over the user's question, and over some texts that it was scored on."""
        layer, part, unit = int(event.layer), str(event.part), int(event.unit)
        shown = self.cells(question, reader, layer, part, unit) if question.strip() else ""
        return layer, part, unit, shown, self.examples(reader, str(event.feature), layer, part, unit)

    def examples(self, reader: str, feature: str, layer: int, part: str, unit: int) -> str:
        """Texts of the search coloured by a unit; what has the feature is underlined."""
        try:
            search = self.search(reader)
            marked = search.yes_or_no(feature)
            texts = [(self.reading(text, reader), truth) for text, truth in search.examples(feature)]
            values = [reading.unit(layer - 1, part, unit).tolist() for reading, _ in texts]
            top = max((abs(value) for row in values for value in row), default=1.0)
            lines = [
                coloured_text(reading.tokens, row, truth.tolist() if marked else (), top)
                for (reading, truth), row in zip(texts, values, strict=True)
            ]
            told = f"Underlined: {feature}." if marked else f"Followed: {feature}."
            return f'<p class="note">{escape(told)}</p>{"".join(lines)}'
        except Exception as error:
            return failed(error)


def whole(value: float | None, what: str) -> int:
    """A number from the page, where the field may be empty."""
    from vqa.model.errors import InputError

    if value is None:
        raise InputError(f"There is no number for the {what}; type one.")
    return int(value)


def told(unknown: list[str]) -> str:
    """A sentence on what was read as 'unknown'."""
    return f'<p class="note">Not known to this model: {escape(", ".join(unknown))}.</p>' if unknown else ""


def failed(error: Exception) -> str:
    """The sentence that stands where the picture would."""
    return f'<p class="failed" role="alert">{escape(refusal(error))}</p>'
