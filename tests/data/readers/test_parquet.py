"""Parquet files, made here in the schema of lmms-lab/VQAv2 with small real pictures."""

import importlib
import io
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.data.refusal import refusal
from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.data.readers.parquet import read_parquet
from vqa.model.photos import open_photo

find = importlib.import_module if os.environ.get("CI") == "true" else pytest.importorskip
pa: Any = find("pyarrow")
pq: Any = find("pyarrow.parquet")

ANSWERS = ["yes", "yes", "no", "yes", "yes", "yes", "no", "yes", "yes", "yes"]
ANSWER = {"answer": pa.string(), "answer_confidence": pa.string(), "answer_id": pa.int64()}
TYPES = dict.fromkeys(("question_type", "multiple_choice_answer", "answer_type", "question"), pa.string())
TYPES |= {"image_id": pa.int64(), "question_id": pa.int64(), "answers": pa.list_(pa.struct(ANSWER))}
TYPES |= {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()})}
SCHEMA = pa.schema(TYPES)


def picture(color: str, format: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 10), color).save(file, format)
    return file.getvalue()


def row(number: int, image_id: int = 25, **changed: object) -> dict[str, object]:
    answers = [{"answer": a, "answer_confidence": "yes", "answer_id": i} for i, a in enumerate(ANSWERS, start=1)]
    return {
        "question_type": "is the",
        "multiple_choice_answer": "yes",
        "answers": answers,
        "image_id": image_id,
        "answer_type": "yes/no",
        "question_id": number,
        "question": f"Is the cat {number} asleep?",
        "image": {"bytes": picture("red"), "path": f"COCO_val2014_{image_id:012d}.jpg"},
    } | changed


def write(path: Path, rows: list[dict[str, object]], schema: Any = SCHEMA, row_group_size: int = 3) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=row_group_size)
    return path


def test_questions_answers_and_pictures(tmp_path: Path) -> None:
    rows = [
        row(250, image={"bytes": picture("red"), "path": None}),
        row(251),
        row(7, 7, image={"bytes": picture("lime", "PNG"), "path": "b.PNG"}, answers=None, multiple_choice_answer=None),
        row(8, 8, image={"bytes": picture("blue", "WEBP"), "path": None}, question_type=None, answer_type=None),
        row(252, image={"bytes": picture("black"), "path": None}),
    ]
    path = write(tmp_path / "val.parquet", rows)
    read = read_examples(path)
    photos = tmp_path / "val.photos"
    image = str(photos / "000000000025.jpg")
    assert read[0] == Example(image, "Is the cat 250 asleep?", "yes", tuple(ANSWERS), None, 250, 25, "is the", "yes/no")
    assert (read[2].answer, read[2].answers, read[2].question_type) == (None, (), "is the")
    names = ["25.jpg", "25.jpg", "07.png", "08.webp", "25.jpg"]
    assert [Path(e.image).name for e in read] == [f"0000000000{name}" for name in names]
    for example, color in zip(read[1:4], [(254, 0, 0), (0, 255, 0), (0, 0, 255)], strict=True):
        pixel = open_photo(example.image).getpixel((5, 5))
        assert isinstance(pixel, tuple) and all(abs(a - b) < 4 for a, b in zip(pixel, color, strict=True))
    assert Path(read[0].image).read_bytes() == picture("red")
    assert len(list(photos.iterdir())) == 3
    assert read_examples(path, format="parquet") == read


def test_a_second_reading_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "val.parquet", [row(i, i // 2) for i in range(8)])
    first = read_examples(path)
    photos = tmp_path / "val.photos"
    (photos / "000000000001.jpg").write_bytes(b"mine")
    (photos / "000000000003.jpg").unlink()
    before = {photo.name: photo.stat().st_mtime_ns for photo in photos.iterdir()}
    assert read_examples(path) == first
    after = {photo.name: photo.stat().st_mtime_ns for photo in photos.iterdir()}
    assert after.keys() == before.keys() | {"000000000003.jpg"} and before.items() <= after.items()
    photos.chmod(0o500)
    assert read_examples(path) == first
    photos.chmod(0o700)


def test_photos_appear_as_the_rows_come(tmp_path: Path) -> None:
    path = write(tmp_path / "val.parquet", [row(i, i) for i in range(200)], row_group_size=200)
    assert len(list(itertools.islice(read_parquet(path), 3))) == 3
    assert len(list((tmp_path / "val.photos").iterdir())) == 3


def test_a_folder_of_photos_is_preferred_to_the_pictures_inside(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("COCO_val2014_000000000025.jpg", "000000000007.webp"):
        (images / name).touch()
    rows = [row(1), row(2, 7), row(3, 8)]
    path = write(tmp_path / "val.parquet", rows)
    names = ["COCO_val2014_000000000025.jpg", "000000000007.webp", "000000000008.jpg"]
    assert [e.image for e in read_examples(path, images=images)] == [str(images / name) for name in names]
    path = write(tmp_path / "bare.parquet", rows, SCHEMA.remove(SCHEMA.get_field_index("image")))
    assert [e.image for e in read_examples(path, images=images)] == [str(images / name) for name in names]
    assert not list(tmp_path.glob("*.photos"))


@pytest.mark.parametrize("cell", ["struct", "list", "bytes"])
def test_pictures_without_numbers_and_columns_with_other_names(tmp_path: Path, cell: str) -> None:
    whole = [{"bytes": picture(color), "path": "red.jpg"} for color in ("red", "red", "blue")]
    pictures = {"struct": whole, "list": [[one] for one in whole], "bytes": [one["bytes"] for one in whole]}[cell]
    table = {"img": pictures, "query": ["What?", "Who?", "Why?"], "label": [2, 3, None], "n": [1, 2, 3]}
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table(table), path)
    read = read_examples(path)
    assert [(e.question, e.answer) for e in read] == [("What?", "2"), ("Who?", "3"), ("Why?", None)]
    assert read[0].image == read[1].image and open_photo(read[2].image).getpixel((5, 5))[2] > 200  # type: ignore[index]
    assert len(list((tmp_path / "mine.photos").iterdir())) == 2
    if cell == "struct":
        assert [e.image for e in read_examples(path, images=tmp_path)] == [str(tmp_path / "red.jpg")] * 3


def test_a_folder_of_shards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for shard, ids in (("val-00001", [3, 4]), ("val-00000", [1, 2])):
        write(data / f"{shard}.parquet", [row(i, i) for i in ids])
    read = read_examples(data)
    assert [e.question_id for e in read] == [1, 2, 3, 4]
    assert sorted(p.name for p in (tmp_path / "data.photos").iterdir()) == [f"{i:012d}.jpg" for i in (1, 2, 3, 4)]
    for file in data.iterdir():
        file.unlink()
    for format in ("auto", "parquet"):
        assert "holds no *.parquet" in refusal(read_examples, data, format=format)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    rows = [
        {"image": "a.jpg", "question": "What?", "answers": ["cat", "dog"], "answer": "cat", "question_id": 1, "x": 1},
        {"image": "b.jpg", "question": "Who?", "answer_scores": {"boy": 0.6, "man": 1.0}, "question_id": 2},
    ]
    path = tmp_path / "mine.PARQUET"
    pq.write_table(pa.table({name: [r.get(name) for r in rows] for name in {**rows[0], **rows[1]}}), path)
    assert read_examples(path, images=tmp_path) == [
        Example(str(tmp_path / "a.jpg"), "What?", "cat", ("cat", "dog"), question_id=1),
        Example(str(tmp_path / "b.jpg"), "Who?", answer_scores={"boy": 0.6, "man": 1.0}, question_id=2),
    ]
    kinds = {"image": pa.array(["a.jpg", "a.jpg"]).dictionary_encode(), "question": pa.array(["What?", None])}
    pq.write_table(pa.table(kinds), path)
    assert f"Row 2 of {path} has no 'question': add" in refusal(lambda: list(read_parquet(path)))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"question": None}, "Row 5 of {path} has no 'question': add"),
        ({"image_id": None}, "Row 5 of {path}: 'image_id' must be a whole number, not None"),
        ({"image": None}, "Row 5 of {path} has no picture inside: name the folder of the photos"),
        ({"image": {"bytes": None, "path": "none.jpg"}}, "Row 5 of {path} has no picture inside"),
        ({"image": {"bytes": b"II*\0", "path": None}}, "Row 5 of {path}: the picture inside is not JPEG"),
        ({"answers": [{"answer": None}]}, "Row 5 of {path}: the field 'answers' must be a list of texts"),
    ],
)
def test_invalid_row_is_reported_with_its_number(tmp_path: Path, changed: dict[str, object], expected: str) -> None:
    path = write(tmp_path / "val.parquet", [row(i, i) for i in range(4)] + [row(4, 4) | changed, row(5, 5)])
    assert expected.format(path=path) in refusal(read_examples, path)
    assert len(list(itertools.islice(read_parquet(path), 4))) == 4


def test_a_photo_that_only_its_path_names(tmp_path: Path) -> None:
    photo = tmp_path / "elsewhere.jpg"
    photo.write_bytes(picture("red"))
    path = write(tmp_path / "val.parquet", [row(1, image={"bytes": None, "path": str(photo)})])
    assert [e.image for e in read_examples(path)] == [str(photo)]
    assert not (tmp_path / "val.photos").exists()


def test_files_that_are_not_as_expected(tmp_path: Path) -> None:
    path = tmp_path / "val.parquet"
    for content in (b"", b"no parquet at all", b"PAR1" + b"\0" * 50 + b"PAR1"):
        path.write_bytes(content)
        assert f"{path} cannot be read as Parquet (" in refusal(read_examples, path)
    write(path, [row(i, i) for i in range(50)], row_group_size=10)
    content = path.read_bytes()
    path.write_bytes(content[:200] + b"\xff" * 3000 + content[3200:])
    assert f"{path} cannot be read as Parquet (" in refusal(read_examples, path)
    for name in ("image", "question"):
        write(path, [row(1)], SCHEMA.remove(SCHEMA.get_field_index(name)))
        assert f"{path} has no column '{name}' (it has: question_type, " in refusal(read_examples, path)
    pq.write_table(pa.table({"image_id": [1], "question_id": [1], "question": ["What?"], "image": [b"\xff"]}), path)
    assert f"Row 1 of {path}: the picture inside is not JPEG" in refusal(read_examples, path)
    pq.write_table(pa.table({"image": ["a.jpg"], "answer": ["cat"]}), path)
    assert f"{path} has no column 'question' (it has: image, answer)" in refusal(read_examples, path)
    write(path, [])
    assert "holds no example" in refusal(read_examples, path)


def test_photos_that_cannot_be_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path / "val.parquet", [row(1)])
    (tmp_path / "val.photos").write_text("a file where the folder would be")
    assert f"cannot be unpacked into {tmp_path / 'val.photos'}: File exists; move" in refusal(read_examples, path)


def test_pyarrow_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "val.parquet", [row(1)])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refusal(read_examples, path) == f"Reading {path} needs pyarrow: run `pip install pyarrow`."
