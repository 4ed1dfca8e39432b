from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.refusal import refusal
from vqa.data.examples import Example, example_from_dict, reference, targets, write_jsonl
from vqa.data.readers import read_examples
from vqa.evaluation import vqa_accuracy
from vqa.model.errors import InputError

TEN = ("cat",) * 4 + ("dog",) * 3 + ("two", "2") + ("bird",)


def test_targets_are_the_official_scores_of_normalised_answers() -> None:
    example = Example("a.jpg", "What?", answers=TEN)
    assert targets(example) == {"cat": 1.0, "dog": 0.9, "2": 0.6, "bird": 0.3}
    for answer, score in targets(example).items():
        assert vqa_accuracy(answer, TEN) == 100 * score


def test_targets_of_one_answer_of_none_and_of_given_scores() -> None:
    assert targets(Example("a.jpg", "?", answer="The Cat.")) == {"cat": 1.0}
    assert targets(Example("a.jpg", "?")) == {}
    given = {"Ball": 0.667, "a ball": 1.0, "two": 0.3}
    assert targets(Example("a.jpg", "?", answer="x", answers=TEN, answer_scores=given)) == {"ball": 1.0, "2": 0.3}
    assert targets(Example("a.jpg", "?", answer="x", answer_scores={})) == {"x": 1.0}


def test_reference_is_the_own_answer_else_the_most_common() -> None:
    assert reference(Example("a.jpg", "?", answer="The dog", answers=TEN)) == "dog"
    assert reference(Example("a.jpg", "?", answers=("two", "cat", "2"))) == "2"
    assert reference(Example("a.jpg", "?", answers=("cat", "dog", "dog", "cat"))) == "cat"
    assert reference(Example("a.jpg", "?", answer_scores={"a": 0.3, "bat": 1.0, "rat": 1.0})) == "bat"
    assert reference(Example("a.jpg", "?")) is None


def test_the_answer_type_follows_from_the_answer_where_it_is_not_given() -> None:
    kinds = {"Yes.": "yes/no", "no": "yes/no", "two": "number", "none": "number", "1.5": "number", "red": "other"}
    assert {answer: Example("a.jpg", "?", answer).answer_type for answer in kinds} == kinds
    assert Example("a.jpg", "?", "no", answer_type="colour").answer_type == "colour"


def test_rows_have_optional_and_unknown_fields(tmp_path: Path) -> None:
    row = {"image": "a.jpg", "question": "What?", "answers": ["cat", "dog"], "image_id": "000012", "note": "left out"}
    expected = Example(str(tmp_path / "a.jpg"), "What?", answers=("cat", "dog"), image_id="000012")
    assert example_from_dict(row, "Line 1", tmp_path) == expected
    assert example_from_dict({"image": "a", "question": "?", "answer": None}, "Line 1") == Example("a", "?")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"image": None}, "has no 'image': add"),
        ({"question": None}, "has no 'question': add"),
        ({"image": ""}, "'image' must be non-empty text, not ''"),
        ({"question": " "}, "'question' must be non-empty text"),
        ({"question": 5}, "'question' must be non-empty text, not 5"),
        ({"question": "half \ud83d"}, "'question' must be non-empty text"),
        ({"answer": 2}, "'answer' must be text, not 2"),
        ({"answers": "cat"}, "'answers' must be a list of texts"),
        ({"answers": ["cat", 2]}, "'answers' must be a list of texts"),
        ({"answer_scores": {"cat": 1.5}}, "from 0 to 1"),
        ({"answer_scores": {"cat": float("nan")}}, "from 0 to 1"),
        ({"answer_scores": {"cat": 10**400}}, "from 0 to 1"),
        ({"answer_scores": {"cat": "1"}}, "from 0 to 1"),
        ({"answer_scores": ["cat"]}, "an object of answers"),
        ({"question_id": True}, "'question_id' must be a whole number or text"),
        ({"question_id": 1.5}, "'question_id' must be a whole number or text"),
        ({"source": ["x"] * 1000}, "'source' must be text"),
    ],
)
def test_invalid_field_is_reported_with_its_place(wrong: dict, expected: str) -> None:
    message = refusal(example_from_dict, {"image": "a.jpg", "question": "?"} | wrong, "Line 17 of data.jsonl")
    assert message.startswith("Line 17 of data.jsonl") and expected in message and len(message) < 250


TEXT = st.text(' a"\\/,;é\u00a0\u2028\ufeff猫😀', min_size=1, max_size=9).filter(str.strip)
MAYBE = st.none() | TEXT
NUMBER = st.integers(0, 2**60) | MAYBE
ANSWERS = st.lists(TEXT, max_size=10).map(tuple)
SCORES = st.none() | st.dictionaries(TEXT, st.floats(0, 1), max_size=3)
EXAMPLES = st.builds(Example, TEXT, TEXT, MAYBE, ANSWERS, SCORES, NUMBER, NUMBER, MAYBE, MAYBE, MAYBE)


@settings(max_examples=30)
@given(st.lists(EXAMPLES, min_size=1, max_size=5))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, examples: list[Example]) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "examples.jsonl"
    assert write_jsonl(examples, path) == len(examples)
    assert read_examples(path) == examples


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> object:
        yield Example("a.jpg", "?")
        raise InputError("the source broke")

    path = tmp_path / "out.jsonl"
    path.write_text("as it was")
    with pytest.raises(InputError, match="the source broke"):
        write_jsonl(broken(), path)  # type: ignore[arg-type]
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    missing = (tmp_path / "none" / "out.jsonl", "cannot be written: ")
    for path, reason in (missing, (tmp_path, "is no file and cannot be replaced")):
        assert reason in refusal(write_jsonl, [Example("a.jpg", "?")], path)
    assert list(tmp_path.iterdir()) == []


def test_lines_are_readable_text(tmp_path: Path) -> None:
    write_jsonl([Example("a.jpg", "Où est le café?", answer="là")], tmp_path / "out.jsonl")
    expected = '{"image": "a.jpg", "question": "Où est le café?", "answer": "là", "answer_type": "other"}\n'
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == expected


def test_letters_are_composed(tmp_path: Path) -> None:
    """A Mac writes the names of files with letters apart from their marks, and a table may have either."""
    apart, whole = "ku\u0308che.jpg", "k\u00fcche.jpg"
    (tmp_path / apart).write_bytes(b"")
    example = example_from_dict({"image": whole, "question": "wo?", "answer": "stu\u0308hle"}, "Line 1", tmp_path)
    assert example.image == str(tmp_path / apart) and example.answer == "st\u00fchle"
    for name in ("./a.jpg", ".//a.jpg", "././a.jpg"):
        same = example_from_dict({"image": name, "question": "wo?"}, "Line 1", tmp_path)
        assert same.image == str(tmp_path / "a.jpg")
