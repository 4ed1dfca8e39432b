import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.data.refusal import refusal
from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.data.readers.official import annotations_of, read_official


def annotation(question_id: int, answer: str) -> dict[str, Any]:
    return {
        "question_type": "what is",
        "multiple_choice_answer": answer,
        "answers": [{"answer": text, "answer_confidence": "yes"} for text in [answer] * 9 + ["x"]],
        "image_id": question_id // 1000,
        "answer_type": "other",
        "question_id": question_id,
    }


ASKED = [
    {"image_id": 25, "question": "What is it?", "question_id": 25000},
    {"image_id": 30, "question": "How many?", "question_id": 30001},
]
QUESTIONS = {"data_type": "mscoco", "data_subtype": "train2014", "questions": ASKED}
ANNOTATIONS = {"data_subtype": "train2014", "annotations": [annotation(30001, "2"), annotation(25000, "cat")]}


def write(folder: Path, asked: object, annotated: object) -> tuple[Path, Path]:
    paths = folder / "questions.json", folder / "annotations.json"
    for path, content in zip(paths, (asked, annotated), strict=True):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return paths


def test_pairs_are_joined_by_question_id(tmp_path: Path) -> None:
    asked, annotated = write(tmp_path, QUESTIONS, ANNOTATIONS)
    common: dict[str, Any] = {"question_type": "what is", "answer_type": "other"}
    assert list(read_official(asked, annotated)) == [
        Example("000000000025.jpg", "What is it?", "cat", ("cat",) * 9 + ("x",), None, 25000, image_id=25, **common),
        Example("000000000030.jpg", "How many?", "2", ("2",) * 9 + ("x",), None, 30001, image_id=30, **common),
    ]
    assert list(read_official(asked)) == [
        Example("000000000025.jpg", "What is it?", question_id=25000, image_id=25),
        Example("000000000030.jpg", "How many?", question_id=30001, image_id=30),
    ]


@pytest.mark.parametrize(
    ("kind", "split", "name"),
    [
        ("mscoco", "train2014", "COCO_train2014_000000000025.jpg"),
        ("mscoco", "test-dev2015", "COCO_test2015_000000000025.jpg"),
        ("abstract_v002", "val2015", "abstract_v002_val2015_000000000025.png"),
        ("mscoco", "val", "000000000025.webp"),
        ("mscoco", "{odd}", "000000000025.jpeg"),
        (None, None, "000000000025.jpg"),
    ],
)
def test_names_of_photos(tmp_path: Path, kind: object, split: object, name: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / name).touch()
    asked, _ = write(tmp_path, QUESTIONS | {"data_type": kind, "data_subtype": split}, {})
    found = list(read_official(asked, images=photos))
    assert found[0].image == str(photos / name)
    assert found[1].image == str(photos / "000000000030.jpg")  # is missing, and will be counted as such


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda q, a: q["questions"].pop(), "questions.json lacks 1 of the questions of"),
        (lambda q, a: a["annotations"].pop(), "annotations.json lacks 1 of the questions of"),
        (lambda q, a: q["questions"].append(q["questions"][0]), "repeats the question_id of 1 of its 3 questions"),
        (lambda q, a: q.pop("questions"), "holds no list 'questions': give the official VQA file"),
        (lambda q, a: a.pop("annotations"), "holds no list 'annotations'"),
        (lambda q, a: q["questions"][1].pop("question_id"), "Entry 2 of 'questions' in"),
        (lambda q, a: q["questions"][1].pop("question"), "Question 30001 of"),
        (lambda q, a: q["questions"][1].pop("image_id"), "'image_id' must be a whole number, not None"),
        (lambda q, a: q["questions"].insert(1, "text"), "Entry 2 of 'questions' in"),
        (lambda q, a: a["annotations"][0].update(answers="cat"), "'answers' must be a list of objects"),
        (lambda q, a: a["annotations"][0].update(answers=[{"answer": 2}]), "'answers' must be a list of texts"),
        (lambda q, a: a["annotations"][0].update(question_id="25000"), "must be a whole number, not '25000'"),
    ],
)
def test_invalid_files_are_reported(tmp_path: Path, change: Callable, expected: str) -> None:
    asked, annotated = deepcopy((QUESTIONS, ANNOTATIONS))
    change(asked, annotated)
    message = refusal(read_examples, *write(tmp_path, asked, annotated))
    assert expected in message and str(tmp_path) in message


@pytest.mark.parametrize("content", ["{", "[1, 2]", "[" * 100_000, ""])
def test_files_that_are_not_json_are_reported(tmp_path: Path, content: str) -> None:
    asked, annotated = write(tmp_path, content, ANNOTATIONS)
    message = refusal(list, read_official(asked, annotated))
    assert "is not JSON" in message or "holds no list 'questions'" in message
    assert "cannot be read" in refusal(list, read_official(tmp_path / "none.json"))


def test_real_files_give_the_answers_of_the_rows_with_the_same_id(shared: Path) -> None:
    data = shared / "data"
    folder, photos = data / "vqa-v2-official", data / "coco/photos"
    examples = read_examples(data / "coco/questions_val.jsonl", images=photos)
    rows = {e.question_id: replace(e, source=None) for e in examples if e.source == "vqa-v2"}
    pairs = read_examples(folder / "questions_val.json", folder / "annotations_val.json", photos)
    assert len(pairs) == len(rows) == 536 and {len(e.answers) for e in pairs} == {10}
    assert [replace(e, image_id=None) for e in pairs] == [rows[e.question_id] for e in pairs]


def test_annotations_lie_beside_their_questions(tmp_path: Path) -> None:
    for asked, annotated in (
        ("v2_OpenEnded_mscoco_val2014_questions.json", "v2_mscoco_val2014_annotations.json"),
        ("questions_val.json", "annotations_val.json"),
    ):
        assert annotations_of(tmp_path / asked) is None
        (tmp_path / annotated).touch()
        assert annotations_of(str(tmp_path / asked)) == tmp_path / annotated
    for other in ("mine.json", "annotations_val.json", "questions_val.jsonl", "easy-vqa:train"):
        assert annotations_of(tmp_path / other) is None
