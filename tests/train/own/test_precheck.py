"""The check of one's own data before training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.own.precheck import FEWEST_PHOTOS, Checked, check
from vqa.data.examples import Example
from vqa.model.errors import InputError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three different photos, a copy of the first in other clothes, and a file that is none."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 20, 30, 3), dtype=np.uint8)
    for name, pixels in zip("abc", noise, strict=True):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    Image.open(tmp_path / "a.png").save(tmp_path / "copy.bmp")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    return tmp_path


def run(images: Path, *rows: tuple[str, str, str | None]) -> Checked:
    return check([Example(str(images / image), question, answer=answer) for image, question, answer in rows], images)


def report(checked: Checked) -> str:
    return "\n".join(checked.remarks())


def test_good_data_is_kept_as_it_is(images: Path) -> None:
    checked = run(images, ("a.png", "what is it?", "cat"), ("b.png", "how many?", "two"))
    asked = [(Path(e.image), e.question) for e in checked.examples]
    assert asked == [(images / "a.png", "what is it?"), (images / "b.png", "how many?")]
    assert checked.answers == {"cat": 1, "2": 1}
    assert "2 questions about 2 photos, with 2 answers." in report(checked)


def test_each_flaw_is_counted_and_named(images: Path) -> None:
    checked = run(
        images,
        ("a.png", "what is it?", "cat"),
        ("A.png", "what is it?", "cat"),
        ("nowhere.png", "what is it?", "cat"),
        ("nowhere.png", "why?", "cat"),
        ("broken.jpg", "what is it?", "cat"),
        ("b.png", "???", "cat"),
        ("b.png", "what is it?", " "),
        ("b.png", "what is there?", None),
        ("b.png", "what now?", "!"),
        ("b.png", "which letter?", "A"),
    )
    assert len(checked.examples) == 1
    assert {reason: len(lines) for reason, lines in checked.left_out.items()} == {
        "as there is no such photo": 3,
        "as their photo cannot be read": 1,
        "as they have no words, or too many characters": 1,
        "as they have no 'answer'": 2,
        "as their answer has only articles and marks": 2,
    }
    text = report(checked)
    assert "3 questions left out, as there is no such photo: A.png (is it a.png?); nowhere.png." in text
    assert "1 question left out, as their photo cannot be read: " in text and "broken.jpg is not a JPEG" in text
    assert "'what is it?' about b.png; 'what is there?' about b.png." in text
    assert "'what now?' about b.png; 'which letter?' about b.png." in text
    assert report(run(images, *[("A.png", f"is it {i}?", "x" * 1000) for i in range(4)])).count("A.png") == 1


def test_very_long_answers_are_cut(images: Path) -> None:
    text = report(run(images, ("a.png", "why?", "so it is " * 100), ("b.png", "who?", "a dog")))
    assert "so it is so it is" in text and "…; 'dog')" in text and len(text) < 700


def test_a_photo_under_two_names_becomes_one(images: Path) -> None:
    checked = run(images, ("copy.bmp", "what?", "cat"), ("a.png", "why?", "dog"), ("b.png", "who?", "dog"))
    assert [Path(e.image).name for e in checked.examples] == ["copy.bmp", "copy.bmp", "b.png"]
    assert "1 photo with the same pixels as another" in report(checked) and "a.png (as copy.bmp)" in report(checked)


def test_answers_that_are_rare_or_everywhere_are_reported(images: Path) -> None:
    rows: Sequence[tuple[str, str, str]] = [("a.png", f"is it {i}?", "yes") for i in range(6)]
    text = report(run(images, *rows, ("b.png", "what?", "cat"), ("c.png", "what?", "dog")))
    assert "2 answers given only once ('cat'; 'dog')" in text
    assert "'yes' is right in 75% of the questions" in text
    assert "%" not in report(run(images, ("a.png", "a?", "x"), ("b.png", "b?", "y"), ("c.png", "c?", "z")))


def test_too_little_is_refused() -> None:
    few = [Example(f"{i}.png", "what?", answer=str(i)) for i in range(FEWEST_PHOTOS - 1)]
    with pytest.raises(InputError, match="Questions about 19 photos are left, and at least 20 are needed"):
        Checked(few).refuse()
    same = [Example(f"{i}.png", "what?", answer="cat") for i in range(FEWEST_PHOTOS)]
    with pytest.raises(InputError, match="Every question has the answer 'cat'"):
        Checked(same).refuse()
    Checked([*few, Example("19.png", "what?", answer="cat")]).refuse()
    assert report(Checked([])) == "0 questions about 0 photos, with 0 answers."


def test_every_photo_is_counted_once(images: Path) -> None:
    seen: list[None] = []
    examples = [Example(str(images / name), f"what {i}?", answer="a") for i in range(3) for name in ("a.png", "b.png")]
    check(examples, images, lambda: seen.append(None))
    assert len(seen) == 2
