"""CLEVR and GQA, on small files in the form of the real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.model.errors import InputError

CLEVR = json.loads("""{"info": {"split": "val"}, "questions": [
    {"image_index": 0, "program": [{"inputs": [], "function": "scene"}, {"inputs": [1], "function": "count"}],
     "question_index": 0, "image_filename": "CLEVR_val_000000.png", "answer": "1",
     "question": "How many large things are there?"},
    {"image_index": 7, "program": [{"inputs": [], "type": "scene"}, {"inputs": [0], "type": "exist"}],
     "question_index": 1, "image_filename": "CLEVR_val_000007.png", "answer": "no", "question": "Are there any cubes?"}
]}""")
# the second is of a split without answers
GQA = json.loads("""{
    "05451384": {"semantic": [{"operation": "select", "dependencies": [], "argument": "wall (722332)"}],
        "question": "On which side of the picture is the dog?", "imageId": "2382986", "isBalanced": true,
        "answer": "left", "types": {"detailed": "positionQuery", "semantic": "obj", "structural": "query"},
        "fullAnswer": "The dog is on the left."},
    "n12": {"question": "Is it sunny?", "imageId": "n578", "isBalanced": true}
}""")


def saved(folder: Path, content: Any) -> Path:
    path = folder / "questions.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_clevr(tmp_path):
    names = [str(tmp_path / f"CLEVR_val_00000{i}.png") for i in (0, 7)]
    asked = [question["question"] for question in CLEVR["questions"]]
    assert read_examples(saved(tmp_path, CLEVR), images=tmp_path) == [
        Example(names[0], asked[0], "1", (), None, 0, 0, "count", "number", "clevr"),
        Example(names[1], asked[1], "no", (), None, 1, 7, "exist", "yes/no", "clevr"),
    ]


def test_clevrs_test_split_has_no_answers(tmp_path):
    bare = [{k: v for k, v in q.items() if k not in ("answer", "program")} for q in CLEVR["questions"]]
    found = read_examples(saved(tmp_path, {"info": CLEVR["info"], "questions": bare}))
    assert [(e.answer, e.question_type) for e in found] == [(None, None)] * 2
    assert [e.image for e in found] == [question["image_filename"] for question in bare]


def test_gqa(tmp_path):
    first, second = read_examples(saved(tmp_path, GQA), images=tmp_path)
    image, asked = str(tmp_path / "2382986.jpg"), "On which side of the picture is the dog?"
    assert first == Example(image, asked, "left", (), None, "05451384", "2382986", "query", "other", "gqa")
    assert (second.answer, second.image_id, second.question_id) == (None, "n578", "n12")


@pytest.mark.parametrize(
    ("format", "content", "message"),
    [
        ("clevr", "{", "is not JSON"),
        ("gqa", "{", "is not JSON"),
        ("clevr", [], "holds no list 'questions'"),
        ("clevr", {"questions": 3}, "holds no list 'questions'"),
        ("clevr", {"questions": [3]}, "Question 0 of .* is not an object"),
        ("clevr", {"questions": [{"question": "a?"}]}, "Question 0 of .* has no 'image'"),
        ("clevr", {"questions": [{"question": 3, "image_filename": "a.png"}]}, "'question' must be"),
        ("clevr", {"questions": [{"question": "a?", "image_filename": "a.png", "answer": 1}]}, "'answer' must be"),
        ("gqa", [], "is no object of questions by their id"),
        ("gqa", {"1": 2}, "Question 1 of .* names no photo as 'imageId'"),
        ("gqa", {"1": {"question": "a?"}}, "names no photo"),
        ("gqa", {"1": {"imageId": "2"}}, "Question 1 of .* has no 'question'"),
    ],
)
def test_invalid_files_are_reported(tmp_path, format, content, message):
    with pytest.raises(InputError, match=message):
        read_examples(saved(tmp_path, content), format=format)
