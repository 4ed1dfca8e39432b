import numpy as np
import pytest
from PIL import Image, ImageFont

from vqa.model.errors import InputError
from vqa.model.text import peak_place, places
from vqa.show import heat


def one_hot(height: int, width: int, i: int, j: int) -> np.ndarray:
    weights = np.zeros((height, width))
    weights[i, j] = 1
    return weights


@pytest.mark.parametrize("shape", [(7, 7), (4, 6)])
@pytest.mark.parametrize("size", [(420, 420), (420, 280), (90, 420)])
def test_each_cell_lies_over_its_own_part_of_the_photo(shape, size):
    """The heat's centre of mass is the cell's centre, and its highest pixel is within the cell."""
    height, width = shape
    photo = Image.new("RGB", size, "black")  # on black, brightness is heat alone
    for i, j in [(0, 0), (1, 2), (height - 1, width - 1), (height - 1, 0), (2, width // 2)]:
        pixels = np.asarray(heat.heat(photo, one_hot(height, width, i, j)), dtype=float).sum(-1)
        y, x = np.unravel_index(pixels.argmax(), pixels.shape)
        assert i / height <= y / size[1] < (i + 1) / height
        assert j / width <= x / size[0] < (j + 1) / width
        if 0 < i < height - 1 and 0 < j < width - 1:
            rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
            assert (pixels * rows).sum() / pixels.sum() / size[1] == pytest.approx((i + 0.5) / height, abs=0.01)
            assert (pixels * columns).sum() / pixels.sum() / size[0] == pytest.approx((j + 0.5) / width, abs=0.01)


def test_heat_has_no_seams_and_grows_with_the_weight():
    photo = Image.new("RGB", (420, 420), (120, 180, 90))
    ramp = np.linspace(0, 1, 7)[None].repeat(7, 0)
    pixels = np.asarray(heat.heat(photo, ramp), dtype=float)
    assert np.abs(np.diff(pixels, axis=1)).max() < 12  # of 255: no step at the cells' borders
    distance = np.abs(pixels - pixels[:, :1]).sum(-1)[210]
    assert distance[100] < distance[250] < distance[-1]


@pytest.mark.parametrize("paint", [(0, 0, 0), (255, 255, 255), (255, 200, 0), (0, 90, 255), "noise"])
def test_the_hottest_cell_is_visible_on_any_photo(paint):
    noise = np.random.default_rng(0).integers(0, 256, (420, 420, 3), dtype=np.uint8)
    photo = Image.fromarray(noise) if paint == "noise" else Image.new("RGB", (420, 420), paint)
    pixels = np.asarray(heat.heat(photo, one_hot(7, 7, 3, 3)), dtype=float)
    hot, cold = pixels[200:220, 200:220].mean((0, 1)), pixels[:60, :60].mean((0, 1))
    luminance = np.array([0.2126, 0.7152, 0.0722])
    assert luminance @ hot - luminance @ cold > 20
    assert hot[0] - hot[2] > 30  # warm
    assert np.ptp(cold) < 70  # greyed


def test_the_colours_rise_evenly_in_lightness():
    """CIE L* computed here: steps of the scale differ by no more than a third from their mean."""
    rgb = heat.colours(np.linspace(0, 1, 9)) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    lightness = np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)
    steps = np.diff(lightness)
    assert np.all(steps > 0)
    assert np.abs(steps / steps.mean() - 1).max() < 1 / 3


def test_overlay_has_a_panel_for_the_photo_and_for_each_glimpse():
    photo = Image.new("RGB", (600, 400), (200, 60, 60))
    single = heat.overlay(photo, one_hot(7, 7, 1, 5))
    double = heat.overlay(photo, np.stack([one_hot(7, 7, 1, 5), one_hot(7, 7, 6, 0)]))
    assert (double.width, double.height) == (single.width + heat.PANEL + heat.MARGIN, single.height)
    assert single.mode == "RGB"
    pixels = np.asarray(single, dtype=int)
    found = np.argwhere((np.abs(pixels - (200, 60, 60)) < 2).all(-1))
    (top, left), (bottom, right) = found.min(0), found.max(0)
    assert (right - left + 1, bottom - top + 1) == (420, 280)  # the photo, whole and in its proportions
    panel = pixels[top : bottom + 1, left + 420 + heat.MARGIN : right + 1 + 420 + heat.MARGIN]
    y, x = np.unravel_index(panel.sum(-1).argmax(), panel.shape[:2])
    assert (int(7 * y / 280), int(7 * x / 420)) == (1, 5)


def test_overlay_does_not_change_the_photo():
    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 80, 3), dtype=np.uint8))
    before, maps = photo.tobytes(), np.random.default_rng(2).dirichlet(np.ones(49), 2).reshape(2, 7, 7)
    assert heat.overlay(photo, maps, "what is it?", "a dog").tobytes() != heat.overlay(photo, maps).tobytes()
    assert photo.tobytes() == before


def test_an_even_map_is_not_rendered_as_hot():
    photo = Image.new("RGB", (420, 420), "white")
    panel = np.s_[100:300, 420 + 2 * heat.MARGIN + 50 : 420 + 2 * heat.MARGIN + 350]
    maps = np.full((7, 7), 1 / 49), one_hot(7, 7, 3, 3)
    even, hot = (np.asarray(heat.overlay(photo, weights))[panel] for weights in maps)
    assert np.ptp(even, axis=(0, 1)).max() <= 1
    assert (even.max((0, 1)) < hot.max((0, 1))).any()


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (4000, 3000)])
def test_overlay_of_odd_photos_is_of_a_sensible_size(size):
    picture = heat.overlay(Image.new("RGB", size), np.full((2, 7, 7), 1 / 49), "w" * 300, "é" * 80)
    assert 400 < picture.width < 1400 and 100 < picture.height < 1400


@pytest.mark.parametrize("shape", [(49,), (1, 2, 7, 7), (0, 7, 7)])
def test_overlay_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"\(G, h, w\)"):
        heat.overlay(Image.new("RGB", (8, 8)), np.zeros(shape))


def test_peaks_in_words():
    names = ["upper left", "top", "upper right", "left", "centre", "right", "lower left", "bottom", "lower right"]
    cells = [(0, 0), (0, 3), (1, 6), (3, 1), (3, 3), (4, 5), (6, 0), (5, 4), (6, 6)]
    assert [peak_place(0.5 * one_hot(7, 7, *cell) + 0.5 / 49) for cell in cells] == names
    left, even = one_hot(7, 7, 3, 0), np.full((7, 7), 1 / 49)
    assert (places(np.stack([left, left])), places(np.stack([left, even]))) == ("left", "left, everywhere")


@pytest.mark.parametrize("name", ["out.png", "OUT.JPG", "out.jpeg", "out.webp"])
def test_save_picture_replaces_the_file(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")
    heat.save_picture(Image.new("RGB", (30, 20), "red"), path)
    with Image.open(path) as picture:
        assert picture.size == (30, 20)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_picture_path_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "folder.png").mkdir()
    messages = {"out.tiff": "end its name in .png", "out": "end its name", "missing/out.png": "There is no folder"}
    for name, message in (messages | {"folder.png": "cannot be written"}).items():
        with pytest.raises(InputError, match=message):
            heat.check_picture_path(tmp_path / name, tmp_path / "photo.png")
    for name in ("photo.png", "another.png"):
        Image.new("RGB", (30, 20)).save(tmp_path / name)
    heat.check_picture_path(tmp_path / "another.png", tmp_path / "photo.png")
    with pytest.raises(InputError, match="would replace the photo; name another file"):
        heat.check_picture_path(tmp_path / "photo.png", tmp_path / "folder.png" / ".." / "photo.png")


def test_a_failed_write_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "out.png"
    path.write_text("old")

    def fail(self, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(InputError, match="No space left on device"):
        heat.save_picture(Image.new("RGB", (3, 2)), path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_wrap_keeps_lines_within_the_width():
    font = ImageFont.load_default(20)
    for text in ("w" * 300, "what is the man on the left doing? " * 8, "", "a\nb\tc"):
        lines = heat.wrap(text, font, 400)
        assert all(font.getlength(line) <= 400 for line in lines)
        assert "".join(lines).replace(" ", "") == "".join(text.split())
