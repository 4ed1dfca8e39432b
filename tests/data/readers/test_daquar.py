from pathlib import Path

from tests.data.refusal import refusal
from vqa.data.examples import targets
from vqa.data.readers import drop_missing_photos, read_examples
from vqa.data.readers.daquar import read_daquar_jsonl, read_daquar_text

TEXT = """what is on the right side of the black telephone in the image3 ?
desk
what is on the desk in the image3 ?
book, scissor, papers, tape_dispenser

In image 14, how many chairs are there?
2
"""


def test_the_original_text_form(tmp_path: Path) -> None:
    (tmp_path / "qa.txt").write_text(TEXT)
    read = read_examples(tmp_path / "qa.txt")
    assert [(e.image, e.question, e.answer) for e in read] == [
        ("image3.png", "what is on the right side of the black telephone?", "desk"),
        ("image3.png", "what is on the desk?", "book, scissor, papers, tape dispenser"),
        ("image14.png", "how many chairs are there?", "2"),
    ]
    assert [(e.question_id, e.image_id, e.source) for e in read] == [(i, n, "daquar") for i, n in enumerate((3, 3, 14))]
    (tmp_path / "image14.jpg").touch()
    assert [e.image for e in read_daquar_text(tmp_path / "qa.txt", tmp_path)] == [
        str(tmp_path / name) for name in ("image3.png", "image3.png", "image14.jpg")
    ]


def test_broken_text(tmp_path: Path) -> None:
    path = tmp_path / "qa.txt"
    for text, message in (
        ("what is on the desk ?\nbook\n", f"Line 1 of {path} names no photo (as 'in the image3 ?'): put"),
        (TEXT + "what is in the image5 ?\n", f"Line 8 of {path} is a question without an answer: add"),
        ("what is in the image5 ?\nwhat is in the image6 ?\nbed\n", f"Line 1 of {path} is a question without an"),
    ):
        path.write_text(text)
        assert message in refusal(read_examples, path)


def test_parts_of_an_answer_that_are_no_list(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_text('{"image": "a.png", "question": "?", "answers_list": "bed"}\n')
    expected = f"Line 1 of {path}: 'answers_list' must be a list of texts, not 'bed': correct"
    assert expected in refusal(read_examples, path)
    path.write_text("[]\n")
    assert f"Line 1 of {path} is no object" in refusal(list, read_daquar_jsonl(path))


def test_real_rows(shared: Path) -> None:
    folder = shared / "data/daquar"
    examples = read_examples(folder / "questions_train.jsonl", images=folder / "photos")
    assert len(examples) == 6795
    assert {e.source for e in examples} == {"daquar"}
    assert drop_missing_photos(examples) == (examples, 0)
    assert len({e.image for e in examples}) == 794
    assert examples[2].answer == "book, scissor, papers, tape dispenser"
    assert targets(examples[2]) == {"book scissor papers tape dispenser": 1.0}


def test_real_questions_in_the_original_form_read_the_same(shared: Path, tmp_path: Path) -> None:
    """The rows written as the authors wrote them, photo in the question and answer on the next line."""
    rows = list(read_daquar_jsonl(shared / "data/daquar/questions_train.jsonl"))[:1000]
    with (tmp_path / "qa.txt").open("w") as file:
        for row in rows:
            answer = ", ".join(part.replace(" ", "_") for part in str(row.answer).split(", "))
            file.write(f"{row.question.rstrip(' ?')} in the {Path(row.image).stem} ?\n{answer}\n")
    read = list(read_daquar_text(tmp_path / "qa.txt", shared / "data/daquar/photos"))
    assert [(Path(e.image).name, e.question.rstrip(" ?"), e.answer) for e in read] == [
        (row.image, row.question.rstrip(" ?"), row.answer) for row in rows
    ]
