from pathlib import Path

import pytest

from tests.data.refusal import refusal
from vqa.data.examples import Example, targets
from vqa.data.readers import read_examples

FILES = {
    "questions.txt": "how many dogs are there\nwhat is the color of the bus\nwhere is the cat\nwhat is it",
    "answers.txt": "two\nred\nroom\nbus",
    "types.txt": "1\n2\n3\n0",
    "img_ids.txt": "25\n30\n581929\n34",
}


def write(folder: Path, **changed: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(changed.get(name.removesuffix(".txt"), text) + "\n")
    return folder


def test_a_split(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    names = ["000000000025.webp", "COCO_train2014_000000000030.jpg", "COCO_val2014_000000581929.jpg"]
    for name in names:
        (photos / name).touch()
    read = read_examples(write(tmp_path / "train"), images=photos)
    asked = "how many dogs are there"
    assert read[0] == Example(str(photos / names[0]), asked, "two", (), None, 0, 25, "number", "number", "coco-qa")
    assert targets(read[0]) == {"2": 1.0}
    assert [e.question_type for e in read] == ["number", "color", "location", "object"]
    assert [e.answer_type for e in read] == ["number", "other", "other", "other"]
    assert [Path(e.image).name for e in read] == [*names, "000000000034.jpg"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("answers", "two\nred\nroom", "differ in their number of lines (questions.txt 4, answers.txt 3, types.txt 4"),
        ("types", "1\n2\n4\n0", "{where}: '4' in types.txt is not a type from 0 to 3: correct"),
        ("img_ids", "25\n30\nx\n34", "{where}: 'x' in img_ids.txt is not a COCO photo"),
        ("img_ids", "25\n30\n" + "9" * 5000 + "\n34", "in img_ids.txt is not a COCO photo number"),
        ("questions", "how\nwhat\n\nwhere", "{where}: the field 'question' must be non-empty text"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, text: str, expected: str) -> None:
    folder = write(tmp_path / "train", **{name: text})
    assert expected.format(where=f"Line 3 of the files of {folder}") in refusal(read_examples, folder)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    folder = write(tmp_path / "train")
    (folder / "types.txt").unlink()
    assert "types.txt cannot be read: No such file" in refusal(read_examples, folder, format="coco-qa")
