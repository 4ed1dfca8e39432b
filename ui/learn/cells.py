"""Reading cells in the tab Inside: one unit over the question, and a search for units that follow something."""

from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.api.payload import refused_in_html, refused_in_json
from ui.api.register import PRIVATE, compute
from ui.learn.parts import picture, script
from ui.models import Models, Part
from vqa.inside.nameable import nameable
from vqa.inside.pictures import MEANING, STRIPS, coloured_text, gate_strips
from vqa.model.errors import InputError

if TYPE_CHECKING:
    from vqa.inside.cells import Reading
    from vqa.inside.search import Search

ABOUT_READING = """## Reading a cell
The question is read word by word, or letter by letter. Choose one of the numbers that the model keeps and see its value
at each of them: orange is positive, blue negative. Below are its gates: what is written, kept and passed on."""
ABOUT_SEARCH = """## Finding a cell
Which numbers follow something that has a name? All are compared over some hundred questions that the completing model
has made up. The best are chosen on one half of these; the score is that on the other half."""
WORDS, CHARACTERS = "the one that answers (words)", "the one that completes (characters)"
PARTS = [(f"{name} ({MEANING[name]})", name) for name in STRIPS]
NAMES = {reader: list(nameable([["what"]], letters)) for reader, letters in ((WORDS, False), (CHARACTERS, True))}
TOP = 5


class Cells(Part):
    """The values of one unit over a question, and a table of the units that follow a feature."""

    def __init__(self, models: Models):
        super().__init__(models)
        self._questions: list[str] = []
        self._searches: dict[str, Search] = {}

    def build(self, question: gr.Textbox) -> None:
        gr.Markdown(ABOUT_READING)
        with gr.Row():
            reader = gr.Dropdown(
                [WORDS, CHARACTERS], value=WORDS, label="Which model reads", min_width=280, elem_id="reader"
            )
            layer = gr.Number(1, label="Layer, counted from 1", precision=0, elem_id="layer")
        with gr.Row():
            part = gr.Dropdown(PARTS, value="h", label="Which number", elem_id="part")
            unit = gr.Number(0, label="Unit, counted from 0", precision=0, elem_id="unit")
        read = gr.Button("Read the question", variant="primary", elem_id="read")
        cells = picture("cells")
        gr.Markdown(ABOUT_SEARCH)
        with gr.Row():
            feature = gr.Dropdown(NAMES[WORDS], value=NAMES[WORDS][0], label="What to follow", elem_id="feature")
            find = gr.Button("Find", elem_id="find")
        units = script("learn/units.js", event="pick", elem_id="units")
        examples = picture("unit-examples")

        place: list[Any] = [question, reader, layer, part, unit]
        events = [read.click, reader.input, part.input, layer.submit, unit.submit]
        compute(events, self.cells, place, cells)
        reader.change(
            lambda reader: (gr.Dropdown(NAMES[reader], value=NAMES[reader][0]), {}, ""),
            reader,
            [feature, units, examples],
            api_name="features",
            show_progress="hidden",
            queue=False,
            **PRIVATE,
        )
        compute([find.click, feature.input], self.find, [reader, feature], units)
        compute(units.pick, self.pick, [question, reader], [layer, part, unit, cells, examples])

    @refused_in_html
    def cells(self, question: str, reader: str, layer: float, part: str, unit: float) -> str:
        """One unit over the question's words, or its characters."""
        reading, place = self._read(question, reader), (whole(layer, "layer") - 1, whole(unit, "unit"))
        if reader == CHARACTERS:
            unknown = self.models.completer().characters.unknown(question.lower())
        else:
            from vqa.predict import ours

            unknown = ours(self.models.get()).words(question)[1]
        values = reading.unit(place[0], part, place[1])
        note = f'<p class="note">Not known to this model: {escape(", ".join(unknown))}.</p>' if unknown else ""
        return coloured_text(reading.tokens, values.tolist()) + gate_strips(reading, *place) + note

    def _read(self, question: str, reader: str) -> "Reading":
        from vqa.inside.cells import read_question
        from vqa.predict import ours

        if reader == CHARACTERS:
            return self.models.completer().read(question.lower())
        with self.models.use() as vqa:
            return read_question(ours(vqa), question)

    def _search(self, reader: str) -> "Search":
        """All scores of a reader's units, computed once, over questions that the character model makes up."""
        from vqa.inside.questions import made_up_questions
        from vqa.inside.search import search_letters, search_questions
        from vqa.predict import ours

        with self.models.use() as vqa:
            completer = self.models.completer()
            texts = self._questions = self._questions or made_up_questions(completer)
            if reader not in self._searches:
                self._searches[reader] = (
                    search_letters(completer, texts) if reader == CHARACTERS else search_questions(ours(vqa), texts)
                )
            return self._searches[reader]

    @refused_in_json
    def find(self, reader: str, feature: str) -> dict[str, Any]:
        """The units that follow a feature best, as the page's table draws them."""
        search = self._search(reader)
        rows = [
            {
                "name": f"{'cell' if unit.name == 'c' else 'hidden'} {unit.unit} of layer {unit.layer + 1}",
                "way": "high" if unit.follows else "low",
                "score": f"{unit.score:.2f}",
                "chosen": f"{unit.chosen:.2f}",
                "pick": {"layer": unit.layer + 1, "part": unit.name, "unit": unit.unit, "feature": feature},
            }
            for unit in search.best(feature, TOP)
        ]
        measure = "AUC" if search.yes_or_no(feature) else "correlation"
        return {"feature": feature, "measure": measure, "questions": len(search.texts), "rows": rows}

    def pick(self, question: str, reader: str, event: gr.EventData) -> tuple[int, str, int, str, str]:
        """A unit of the table: its place, its values over the user's question, and over some that it was scored on."""
        layer, part, unit = int(event.layer), str(event.part), int(event.unit)
        cells = self.cells(question, reader, layer, part, unit) if question.strip() else ""
        return layer, part, unit, cells, self.examples(reader, str(event.feature), layer, part, unit)

    @refused_in_html
    def examples(self, reader: str, feature: str, layer: int, part: str, unit: int) -> str:
        """Questions of the search coloured by a unit; what has the feature is underlined."""
        search = self._search(reader)
        marked = search.yes_or_no(feature)
        readings = [(self._read(question, reader), truth) for question, truth in search.examples(feature)]
        values = [reading.unit(layer - 1, part, unit).tolist() for reading, _ in readings]
        top = max((abs(value) for row in values for value in row), default=1.0)
        lines = [
            coloured_text(reading.tokens, row, truth.tolist() if marked else (), top)
            for (reading, truth), row in zip(readings, values, strict=True)
        ]
        note = f"{'Underlined' if marked else 'Followed'}: {feature}."
        return f'<p class="note">{escape(note)}</p>{"".join(lines)}'


def whole(value: float | None, what: str) -> int:
    """A number from the page, where the field may be empty."""
    if value is None:
        raise InputError(f"There is no number for the {what}; type one.")
    return int(value)
