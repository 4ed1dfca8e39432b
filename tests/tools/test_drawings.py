import numpy as np
import pytest
from PIL import Image

from tools import drawings
from ui import STATIC
from vqa.model.photos import open_photo


def test_the_examples_that_are_committed_are_our_drawings():
    assert {path.stem for path in (STATIC / "examples").iterdir()} == set(drawings.SHAPES)
    for name in drawings.SHAPES:
        found = open_photo(STATIC / "examples" / f"{name}.webp")
        assert np.array_equal(np.asarray(found), np.asarray(drawings.draw(name))), name


def test_the_icon_that_is_committed_is_our_drawing():
    found = open_photo(STATIC / "icon-512.png")
    assert found.size == (512, 512)
    assert np.array_equal(np.asarray(found), np.asarray(drawings.icon()))


def test_main_writes_the_same_files(monkeypatch, tmp_path):
    monkeypatch.setattr(drawings, "static", tmp_path.joinpath)
    drawings.main()
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert [path.as_posix() for path in written] == [
        "examples/blue-and-yellow.webp",
        "examples/red-circle.webp",
        "icon-512.png",
    ]
    for path in written:
        kept, new = (np.asarray(open_photo(one)) for one in (STATIC / path, tmp_path / path))
        assert np.array_equal(kept, new), path
        assert Image.open(tmp_path / path).format == ("PNG" if path.suffix == ".png" else "WEBP")


def test_the_icon_keeps_clear_of_the_edge():
    """Systems cut an icon's corners and edges: what counts lies within the middle 95 %."""
    side = 512
    pixels = np.asarray(drawings.icon(side))
    assert pixels.shape == (side, side, 3)
    rows, columns = np.nonzero((pixels != drawings.NIGHT).any(-1))
    margin = 0.025 * side
    for places in (rows, columns):
        assert margin <= places.min() and places.max() + 1 <= side - margin
    assert columns.max() - columns.min() > side / 2  # and it is no dot


@pytest.mark.parametrize(
    ("name", "x", "y", "colour"),
    [
        ("red-circle", 0.42, 0.55, (200, 40, 40)),
        ("red-circle", 0.95, 0.05, (225, 238, 230)),
        ("blue-and-yellow", 0.3, 0.34, (40, 80, 200)),
        ("blue-and-yellow", 0.68, 0.8, (235, 200, 40)),
        ("blue-and-yellow", 0.46, 0.46, (40, 80, 200)),  # an upright triangle leaves its upper corners free
        ("blue-and-yellow", 0.9, 0.46, (236, 228, 240)),
    ],
)
def test_the_drawings_show_what_their_names_say(name, x, y, colour):
    image = drawings.draw(name)
    assert image.getpixel((int(x * image.width), int(y * image.height))) == colour
