"""The official files of VQA v1 and v2: a JSON file of questions and one of annotations."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.photo_names import PhotoNames
from vqa.data.readers.text_files import read_document
from vqa.model.errors import InputError


def read_official(questions: Path, annotations: Path | None = None, images: Path | None = None) -> Iterator[Example]:
    """Yields the questions of an official file, with their answers if the annotations are given.

    A photo is the file in `images` that is named by its `image_id`: 000000000025.jpg (or .webp, .png) or
    COCO_train2014_000000000025.jpg. Raises `InputError` if a file is not as expected, a question is repeated, or the
    annotations are those of other questions.
    """
    document, asked = _entries(questions, "questions")
    annotated: dict[int, dict[str, Any]] = {}
    if annotations is not None:
        annotated = _entries(annotations, "annotations")[1]
        for path, other, missing in (
            (annotations, questions, asked.keys() - annotated.keys()),
            (questions, annotations, annotated.keys() - asked.keys()),
        ):
            if missing:
                raise InputError(
                    f"{path} lacks {len(missing)} of the questions of {other} (as question_id {min(missing)}): "
                    "give the two files of the same split."
                )
    photo = PhotoNames(images, _prefixes(document))
    for question_id, question in asked.items():
        where = f"Question {question_id} of {questions}"
        row = {
            "image": photo(whole_number(question, "image_id", where)),
            "question": question.get("question"),
            "question_id": question_id,
            "image_id": question["image_id"],
        }
        if known := annotated.get(question_id):
            where += f" or its annotation in {annotations}"
            row |= annotation_fields(known, where)
        yield example_from_dict(row, where)


def annotations_of(questions: str | Path) -> Path | None:
    """The annotations beside a file of questions, by the official names; None if there are none.

    v2_OpenEnded_mscoco_val2014_questions.json has v2_mscoco_val2014_annotations.json.
    """
    path = Path(questions)
    name = path.name.replace("OpenEnded_", "").replace("questions", "annotations")
    beside = path.with_name(name)
    return beside if name != path.name and path.suffix == ".json" and beside.is_file() else None


def annotation_fields(annotation: Mapping[str, Any], where: str) -> dict[str, object]:
    """The example's fields that an official annotation holds; without "answers", as in the test splits, there are none.

    Raises `InputError` if "answers" is not a list of objects.
    """
    answers = annotation.get("answers") or []
    if not (isinstance(answers, list) and all(isinstance(entry, Mapping) and "answer" in entry for entry in answers)):
        raise InputError(f"{where}: 'answers' must be a list of objects with the text 'answer': correct it.")
    return {
        "answer": annotation.get("multiple_choice_answer"),
        "answers": [entry["answer"] for entry in answers],
        "question_type": annotation.get("question_type"),
        "answer_type": annotation.get("answer_type"),
    }


def whole_number(entry: Mapping[str, Any], name: str, where: str) -> int:
    """The field `name` of an entry. Raises `InputError` if it is not a whole number."""
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{where}: '{name}' must be a whole number, not {value!r:.80}: correct it.")
    return value


def _entries(path: Path, kind: str) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """The document and its entries by question_id."""
    document = read_document(path)
    entries = document.get(kind) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"{path} holds no list '{kind}': give the official VQA file of {kind}.")
    by_id: dict[int, dict[str, Any]] = {}
    for position, entry in enumerate(entries, start=1):
        where = f"Entry {position} of '{kind}' in {path}"
        if not isinstance(entry, dict):
            raise InputError(f"{where} is not an object: correct or delete it.")
        by_id[whole_number(entry, "question_id", where)] = entry
    if repeated := len(entries) - len(by_id):
        first, times = Counter(entry["question_id"] for entry in entries).most_common(1)[0]
        raise InputError(
            f"{path} repeats the question_id of {repeated} of its {len(entries)} {kind} "
            f"({first} occurs {times} times): keep one of each."
        )
    return document, by_id


def _prefixes(document: Mapping[str, Any]) -> list[str]:
    kind, split = document.get("data_type", "mscoco"), document.get("data_subtype")
    if not split:
        return [""]
    # Drawn scenes are abstract_v002_...; the questions of test-dev2015 are about photos COCO_test2015_...
    return ["", f"{'COCO' if kind == 'mscoco' else kind}_{str(split).replace('-dev', '')}_"]
