"""What programs can ask of the app: `gradio_client`, plain HTTP and MCP clients see these functions by name."""

from typing import Any

import gradio as gr

from ui.hosting.zero_gpu import gpu
from ui.models import Models
from ui.payload import PROGRESS, api
from ui.photos import photo_bytes
from vqa.model.errors import InputError

MAX_QUESTIONS = 50


class Api:
    """The functions, each typed and with a docstring that an MCP client reads."""

    def __init__(self, models: Models):
        self.models = models

    @api
    def ask(self, photo: dict[str, Any] | None, question: str) -> dict[str, Any]:
        """Answer a question about a photo, and say why: the object that `vqa ask --json` prints.

        Args:
            photo: the photo to look at.
            question: a question in plain English, such as 'what is on the table?'.
        """
        return self.answers(photo, [question])[0]

    @api
    def ask_many(self, photo: dict[str, Any] | None, questions: list[str]) -> list[dict[str, Any]]:
        """Answer several questions about one photo, which is encoded once.

        Args:
            photo: the photo to look at.
            questions: a JSON list of questions in plain English.
        """
        if not isinstance(questions, list) or not questions:
            raise InputError('The questions are no list; give some, such as ["what is this?", "is it raining?"].')
        if len(questions) > MAX_QUESTIONS:
            raise InputError(f"There are {len(questions)} questions; ask at most {MAX_QUESTIONS} at once.")
        return self.answers(photo, questions)

    @api
    def evidence(self, photo: dict[str, Any] | None, question: str, answer: str) -> dict[str, Any]:
        """Which places of the photo speak for an answer (positive) or against it (negative), by gradient.

        Args:
            photo: the photo to look at.
            question: the question.
            answer: one of the model's answers, such as one of the best five of `ask`.
        """
        from vqa.evidence import evidence

        content = photo_bytes(photo)
        vqa = self.models.get()
        with self.models.lock:
            return {"answer": answer, "map": evidence(vqa, content, question, answer).tolist()}

    @api
    def what_if(self, photo: dict[str, Any] | None, question: str, mask: list[list[int]]) -> dict[str, Any]:
        """Cover a part of the photo and ask again: the answers before and after, and what changed.

        Args:
            photo: the photo to look at.
            question: the question.
            mask: a JSON table of 0 and 1 that lies over the whole photo, 1 where it is covered: [[1, 0], [0, 0]] covers
                the upper left quarter. At most 128 a side.
        """
        from vqa.evidence import what_if

        content = photo_bytes(photo)
        vqa = self.models.get()
        with self.models.lock:
            return what_if(vqa, content, question, mask).to_dict()

    @api
    def occlusion(
        self, photo: dict[str, Any] | None, question: str, progress: gr.Progress = PROGRESS
    ) -> dict[str, Any]:
        """How far the best answer's probability falls when each place of the photo is covered in turn.

        Args:
            photo: the photo to look at.
            question: the question.
        """
        from vqa.evidence import occlusion

        content = photo_bytes(photo)
        vqa = self.models.get()
        with self.models.lock:
            answer = vqa.ask(content, question).text
            falls = occlusion(
                vqa, content, question, answer, lambda done, total: progress((done, total), "covering", unit="places")
            )
        return {"answer": answer, "map": falls.tolist()}

    @api
    def compare(
        self, photo: dict[str, Any] | None, question: str, first: str = "", second: str = ""
    ) -> list[dict[str, Any]]:
        """Two models' answers to the same question about the same photo.

        Args:
            photo: the photo to look at.
            question: the question.
            first: a model that the app offers; empty for its own.
            second: another one.
        """
        return [self.answers(photo, [question], name)[0] for name in (first, second)]

    def answers(self, photo: dict[str, Any] | None, questions: list[str], model: str | None = None) -> list[dict]:
        content = photo_bytes(photo)
        vqa = self.models.get(model)
        with self.models.lock:
            return [answer.to_dict() for answer in vqa.ask_many(content, questions)]


def register(models: Models) -> None:
    """Put the functions into the page that is being built, each under its own name."""
    calls = Api(models)
    photo = gr.Image(visible=False, type="filepath", label="photo")
    question = gr.Textbox(visible=False, label="question")
    answer = gr.Textbox(visible=False, label="answer")
    questions = gr.JSON(visible=False, label="questions")
    mask = gr.JSON(visible=False, label="mask")
    first, second = (gr.Textbox(visible=False, label=label) for label in ("first", "second"))
    result = gr.JSON(visible=False, label="result")
    asked = [photo, question]
    for function, inputs in (
        (calls.ask, asked),
        (calls.ask_many, [photo, questions]),
        (calls.evidence, [*asked, answer]),
        (calls.what_if, [*asked, mask]),
        (calls.occlusion, asked),
        (calls.compare, [*asked, first, second]),
    ):
        # Without gradio's preprocessing it is `open_photo` that opens the file and says what is wrong with it.
        gr.on([], gpu(function), inputs, result, api_name=function.__name__, preprocess=False, concurrency_id="model")
