import io
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from tests.data.refusal import refusal
from vqa.data.collect import COLUMNS, PHOTOS, TABLE, Collection
from vqa.data.readers import read_examples
from vqa.model.photos import SUFFIXES


def add_many(folder: Path, photo: bytes, who: int) -> int:
    """How many of 10 rows were new, 5 of which everybody adds."""
    collection = Collection(folder)
    return sum(collection.add(photo, f"what is {i if i < 5 else (who, i)}?", "a, b") for i in range(10))


def test_rows_are_read_back_with_their_photos(tmp_path: Path, photo: Path) -> None:
    collection = Collection(tmp_path / "mine")
    assert collection.add(photo.read_bytes(), ' what\nis "it"? ', "bed, rug")
    assert collection.add(photo.read_bytes(), "how many?", "2")
    assert not collection.add(photo.read_bytes(), "how many?", "2")
    examples = read_examples(tmp_path / "mine" / TABLE, images=tmp_path / "mine" / PHOTOS)
    assert [(e.question, e.answer) for e in examples] == [('what is "it"?', "bed, rug"), ("how many?", "2")]
    assert {Path(e.image).read_bytes() for e in examples} == {photo.read_bytes()}


def test_a_photo_has_a_suffix_that_is_known(tmp_path: Path) -> None:
    for format in ("JPEG", "JPEG2000", "TIFF", "AVIF"):
        content = io.BytesIO()
        Image.new("RGB", (40, 30)).save(content, format)
        assert Collection(tmp_path).add(content.getvalue(), "what is it?", "black")
    assert {photo.suffix for photo in (tmp_path / PHOTOS).iterdir()} <= SUFFIXES


def test_two_people_write_every_row_once(tmp_path: Path, photo: Path) -> None:
    with ProcessPoolExecutor(2) as people:
        new = list(people.map(add_many, [tmp_path / "mine"] * 2, [photo.read_bytes()] * 2, range(2)))
    assert sum(new) == 15
    lines = (tmp_path / "mine" / TABLE).read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS) and len(lines) == len(set(lines)) == 16


def test_a_line_that_a_kill_cut_short_spoils_no_other(tmp_path: Path, photo: Path) -> None:
    collection = Collection(tmp_path)
    collection.add(photo.read_bytes(), "how many?", "2")
    with collection.table.open("ab") as file:
        file.write(b"abc.png,what")
    collection.add(photo.read_bytes(), "what is it?", "cat")
    assert collection.table.read_text().splitlines()[-1].endswith(",what is it?,cat")


def test_what_cannot_be_learned_from_is_refused(tmp_path: Path, photo: Path) -> None:
    collection = Collection(tmp_path / "mine")
    assert "The answer has no letters" in refusal(collection.add, photo.read_bytes(), "what?", " ! ")
    assert "The question has no letters or digits, or more" in refusal(collection.add, b"", "a" * 301, "cat")
    assert refusal(collection.add, b"no photo", "what?", "cat")
    assert not collection.table.exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / TABLE).write_text("a,b\n1,2\n")
    assert "other columns than image, question, answer" in refusal(Collection, tmp_path / "other")
