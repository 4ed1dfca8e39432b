"""GQA: questions about photos, generated from their scene graphs.

Source: Hudson and Manning, "GQA: A New Dataset for Real-World Visual Reasoning and Compositional Question Answering",
CVPR 2019.
"""

from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.text_files import read_document
from vqa.model.errors import InputError


def read_gqa(path: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the questions of a GQA file, an object of questions by their id; submission splits have no answers.

    The photo of imageId 2386621 is 2386621.jpg; the structural type ("query", "verify") is the question type. Raises
    `InputError` if the file cannot be read, or a question is not an example.
    """
    document = read_document(path)
    if not isinstance(document, dict):
        raise InputError(f"{path} is no object of questions by their id: give a GQA file of questions.")
    for question_id, question in document.items():
        where = f"Question {question_id} of {path}"
        if not isinstance(question, dict) or not isinstance(question.get("imageId"), str | int):
            raise InputError(f"{where} names no photo as 'imageId': correct or delete it.")
        types = question.get("types")
        row = {
            "image": f"{question['imageId']}.jpg",
            "question": question.get("question"),
            "answer": question.get("answer"),
            "question_id": question_id,
            "image_id": question["imageId"],
            "question_type": types.get("structural") if isinstance(types, dict) else None,
            "source": "gqa",
        }
        yield example_from_dict(row, where, images)
