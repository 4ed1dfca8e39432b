import io
import os
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from tests.data.refusal import refusal
from ui.api.payload import LONGER_SIDE, photo_bytes, picture_url

NONE_YET = "There is no photo yet; upload, paste or take one first."
NOT_UPLOADED = "The photo was not uploaded; upload it first."
SECRET = b"nobody's business"
OTHER_TYPES = (7, 1.5, True, b"photo.png", ["photo.png"], {"path": "photo.png"})
NO_FILES = ("a\0b", "\ud800", "a" * 5000, "a/" * 5000, "none.png", ".", "../abc", "../circle", "../pipe")


@pytest.fixture
def uploads(tmp_path, monkeypatch) -> Path:
    folder, beside = tmp_path / "uploads", tmp_path / "uploads-too"
    (folder / "abc").mkdir(parents=True)
    (folder / "abc" / "photo.png").write_bytes(b"content")
    beside.mkdir()
    for secret in (tmp_path / "secret", beside / "secret"):
        secret.write_bytes(SECRET)
    (folder / "file").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(beside, target_is_directory=True)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


@pytest.mark.parametrize("linked", [False, True])  # a temporary folder is often behind a link, as on macOS
def test_an_upload_is_read(uploads, tmp_path, monkeypatch, linked):
    (tmp_path / "link").symlink_to(uploads, target_is_directory=True)
    if linked:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "link"))
    for folder in (uploads, tmp_path / "link"):
        for path in ("abc/photo.png", "abc/../abc/photo.png"):
            assert photo_bytes({"path": f"{folder}/{path}"}) == b"content"


@pytest.mark.parametrize("photo", [None, {}, {"path": None}, {"path": ""}, {"url": "http://x/"}, "a", 7, ["a"], True])
def test_no_photo_is_a_sentence(uploads, photo):
    assert refusal(photo_bytes, photo) == NONE_YET


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "secret", "../secret", "uploads/../secret", "uploads-too/secret", "file", "folder/secret"]
)
def test_a_file_outside_is_not_read(uploads, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    written = (path, f"{tmp_path}/{path}", f"{uploads}/{path}")
    assert any(Path(one).is_file() for one in written)
    for one in written:
        assert refusal(photo_bytes, {"path": one}) == NOT_UPLOADED


@pytest.mark.parametrize("path", [*OTHER_TYPES, *NO_FILES])
def test_what_is_no_path_to_a_file_is_refused(uploads, monkeypatch, path):
    (uploads / "circle").symlink_to(uploads / "circle")
    if hasattr(os, "mkfifo"):
        os.mkfifo(uploads / "pipe")
    monkeypatch.chdir(uploads / "abc")
    assert refusal(photo_bytes, {"path": path}) == NOT_UPLOADED


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((160, 120), (160, 120)), ((1280, 960), (640, 480)), ((300, 1000), (192, 640)), ((3000, 2), (640, 1))],
)
def test_a_picture_is_a_jpeg_of_at_most_640_pixels(size, reduced):
    width, height = size
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([255 * x // width, 255 * y // height, np.full_like(x, 90)], -1).astype(np.uint8)
    photo = Image.fromarray(pixels)
    url = picture_url(photo)
    assert url.startswith("data:image/jpeg;base64,")
    picture = Image.open(io.BytesIO(urlopen(url).read()))
    assert picture.format == "JPEG" and picture.size == reduced and max(reduced) <= LONGER_SIDE == 640
    assert photo.size == size and np.array_equal(np.asarray(photo), pixels)
    expected = np.asarray(photo.resize(reduced, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(np.asarray(picture) - expected).mean() < 4
