"""CLEVR and GQA, on small files in the form of the real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.model.errors import InputError


def step(function: str, *inputs: int) -> dict[str, Any]:
    return {"inputs": list(inputs), "function": function, "value_inputs": []}


CLEVR: dict[str, Any] = {
    "info": {
        "split": "val",
        "license": "Creative Commons Attribution (CC-BY 4.0)",
        "version": "1.0",
        "date": "2/14/2017",
    },
    "questions": [
        {
            "image_index": 0,
            "program": [step("scene"), step("filter_size", 0), step("count", 1)],
            "question_index": 0,
            "image_filename": "CLEVR_val_000000.png",
            "question_family_index": 39,
            "split": "val",
            "answer": "1",
            "question": "How many large things are there?",
        },
        {
            "image_index": 7,
            "program": [{"inputs": [], "type": "scene"}, {"inputs": [0], "type": "exist"}],
            "question_index": 1,
            "image_filename": "CLEVR_val_000007.png",
            "question_family_index": 50,
            "split": "val",
            "answer": "no",
            "question": "Are there any cubes?",
        },
    ],
}
GQA: dict[str, Any] = {
    "05451384": {
        "semantic": [{"operation": "select", "dependencies": [], "argument": "wall (722332)"}],
        "entailed": ["05451383"],
        "equivalent": ["05451384"],
        "question": "On which side of the picture is the dog?",
        "imageId": "2382986",
        "isBalanced": True,
        "groups": {"global": None, "local": "13-wall"},
        "answer": "left",
        "semanticStr": "select: wall (722332)",
        "annotations": {"answer": {}, "question": {"8": "722332"}, "fullAnswer": {"1": "722332"}},
        "types": {"detailed": "positionQuery", "semantic": "obj", "structural": "query"},
        "fullAnswer": "The dog is on the left.",
    },
    "n12": {"question": "Is it sunny?", "imageId": "n578", "isBalanced": True},  # of a split without answers
}


def saved(folder: Path, content: Any) -> Path:
    path = folder / "questions.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_clevr(tmp_path):
    found = read_examples(saved(tmp_path, CLEVR), images=tmp_path)
    assert found == [
        Example(
            image=str(tmp_path / "CLEVR_val_000000.png"),
            question="How many large things are there?",
            answer="1",
            question_id=0,
            image_id=0,
            question_type="count",
            answer_type="number",
            source="clevr",
        ),
        Example(
            image=str(tmp_path / "CLEVR_val_000007.png"),
            question="Are there any cubes?",
            answer="no",
            question_id=1,
            image_id=7,
            question_type="exist",
            answer_type="yes/no",
            source="clevr",
        ),
    ]


def test_clevrs_test_split_has_no_answers(tmp_path):
    bare = [{k: v for k, v in q.items() if k not in ("answer", "program")} for q in CLEVR["questions"]]
    found = read_examples(saved(tmp_path, {"info": CLEVR["info"], "questions": bare}))
    assert [(e.answer, e.question_type, e.image) for e in found] == [
        (None, None, "CLEVR_val_000000.png"),
        (None, None, "CLEVR_val_000007.png"),
    ]


def test_gqa(tmp_path):
    first, second = read_examples(saved(tmp_path, GQA), images=tmp_path)
    assert first == Example(
        image=str(tmp_path / "2382986.jpg"),
        question="On which side of the picture is the dog?",
        answer="left",
        question_id="05451384",
        image_id="2382986",
        question_type="query",
        answer_type="other",
        source="gqa",
    )
    assert (second.answer, second.image_id, second.question_id) == (None, "n578", "n12")


@pytest.mark.parametrize(
    ("format", "content", "message"),
    [
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
def test_what_is_wrong_is_told(tmp_path, format, content, message):
    with pytest.raises(InputError, match=message):
        read_examples(saved(tmp_path, content), format=format)


@pytest.mark.parametrize("format", ["clevr", "gqa"])
def test_a_file_that_is_no_json_is_told(tmp_path, format):
    (tmp_path / "questions.json").write_bytes(b"{")
    with pytest.raises(InputError, match="is not JSON"):
        read_examples(tmp_path / "questions.json", format=format)
