"""CLEVR: drawn scenes with questions that take several steps.

Source: Johnson et al., "CLEVR: A Diagnostic Dataset for Compositional Language and Elementary Visual Reasoning",
CVPR 2017.
"""

from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.text_files import read_document
from vqa.model.errors import InputError


def read_clevr(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the questions of a CLEVR_*_questions.json; those of the test split have no answers.

    The last step of a question's program ("count", "exist", "query_color") is its question type. Raises `InputError` if
    the file cannot be read, or a question is not an example.
    """
    document = read_document(path)
    questions = document.get("questions") if isinstance(document, dict) else None
    if not isinstance(questions, list):
        raise InputError(f"{path} holds no list 'questions': give a CLEVR file of questions.")
    for position, question in enumerate(questions):
        where = f"Question {position} of {path}"
        if not isinstance(question, dict):
            raise InputError(f"{where} is not an object: correct or delete it.")
        program = question.get("program")
        last = program[-1] if isinstance(program, list) and program and isinstance(program[-1], dict) else {}
        row = {
            "image": question.get("image_filename"),
            "question": question.get("question"),
            "answer": question.get("answer"),
            "question_id": question.get("question_index", position),
            "image_id": question.get("image_index"),
            "question_type": last.get("function", last.get("type")),  # "type" in older files
            "source": "clevr",
        }
        yield example_from_dict(row, where, images)
