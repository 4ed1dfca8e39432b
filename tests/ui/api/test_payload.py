import base64
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ui.api.payload import LONGER_SIDE, photo_bytes, picture_url
from vqa.model.errors import InputError

NONE_YET = "There is no photo yet; upload, paste or take one first."
NOT_UPLOADED = "The photo was not uploaded; upload it first."
SECRET = b"nobody's business"


@pytest.fixture
def uploads(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "uploads"
    (folder / "abc").mkdir(parents=True)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "uploads-too").mkdir()
    (tmp_path / "uploads-too" / "secret").write_bytes(SECRET)
    return folder


def refused(photo) -> str:
    with pytest.raises(InputError) as caught:
        photo_bytes(photo)
    return str(caught.value)


@pytest.mark.parametrize("linked", [False, True])  # a temporary folder is often behind a link, as on macOS
def test_an_upload_is_read(uploads, tmp_path, monkeypatch, linked):
    (uploads / "abc" / "photo.png").write_bytes(b"content")
    (tmp_path / "link").symlink_to(uploads, target_is_directory=True)
    if linked:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "link"))
    for folder in (uploads, tmp_path / "link"):
        for path in ("abc/photo.png", "abc/../abc/photo.png"):
            assert photo_bytes({"path": f"{folder}/{path}"}) == b"content"


@pytest.mark.parametrize("photo", [None, {}, {"path": None}, {"path": ""}, {"url": "http://x/"}, "a", 7, ["a"], True])
def test_no_photo_is_a_sentence(uploads, photo):
    assert refused(photo) == NONE_YET


@pytest.mark.parametrize("path", ["/etc/passwd", "secret", "../secret", "uploads/../secret", "uploads-too/secret"])
def test_a_file_outside_is_not_read(uploads, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    assert Path(path).is_file() or path == "../secret"
    assert refused({"path": path}) == NOT_UPLOADED
    assert refused({"path": str(tmp_path / path)}) == NOT_UPLOADED
    assert refused({"path": f"{uploads}/{path}"}) == NOT_UPLOADED


def test_a_link_out_of_the_folder_is_not_followed(uploads, tmp_path):
    (uploads / "file").symlink_to(tmp_path / "secret")
    (uploads / "folder").symlink_to(tmp_path / "uploads-too", target_is_directory=True)
    assert (uploads / "file").read_bytes() == (uploads / "folder" / "secret").read_bytes() == SECRET
    for path in ("file", "folder/secret"):
        assert refused({"path": str(uploads / path)}) == NOT_UPLOADED


@pytest.mark.parametrize("path", [7, 1.5, True, b"photo.png", ["photo.png"], {"path": "photo.png"}])
def test_a_path_of_another_type_is_refused(uploads, monkeypatch, path):
    (uploads / "photo.png").write_bytes(b"content")
    monkeypatch.chdir(uploads)
    assert refused({"path": path}) == NOT_UPLOADED


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a" * 5000, "a/" * 5000, "none.png", "", "abc", "circle", "pipe"])
def test_a_path_to_no_file_is_refused(uploads, name):
    (uploads / "circle").symlink_to(uploads / "circle")
    if hasattr(os, "mkfifo"):
        os.mkfifo(uploads / "pipe")
    assert refused({"path": f"{uploads}/{name}"}) == NOT_UPLOADED


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((160, 120), (160, 120)), ((1280, 960), (640, 480)), ((300, 1000), (192, 640)), ((3000, 2), (640, 1))],
)
def test_a_picture_is_a_jpeg_of_at_most_640_pixels(size, reduced):
    width, height = size
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([255 * x // width, 255 * y // height, np.full_like(x, 90)], -1).astype(np.uint8)
    photo = Image.fromarray(pixels)
    head, _, body = picture_url(photo).partition(",")
    assert head == "data:image/jpeg;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(body, validate=True)))
    assert picture.format == "JPEG" and picture.size == reduced and max(reduced) <= LONGER_SIDE == 640
    assert photo.size == size and np.array_equal(np.asarray(photo), pixels)
    expected = np.asarray(photo.resize(reduced, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(np.asarray(picture) - expected).mean() < 4
