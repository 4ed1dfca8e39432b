import base64
import io
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from ui.photos import SHOWN, photo_bytes, picture_url
from vqa.errors import InputError


@pytest.fixture
def uploads(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    assert get_upload_folder() == str(folder)
    return folder


def test_an_upload_is_read(uploads):
    (uploads / "photo.png").write_bytes(b"content")
    assert photo_bytes({"path": str(uploads / "photo.png")}) == b"content"


def test_nothing_else_is_read(uploads, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (uploads / "link").symlink_to(secret)
    for path in (
        secret,
        uploads / ".." / "secret",
        uploads / "link",
        uploads,
        uploads / "none",
        "\0",
        "a" * 5000,
        7,
        [],
    ):
        with pytest.raises(InputError, match=r"^(The photo was not uploaded|There is no photo yet).*\.$"):
            photo_bytes({"path": path if isinstance(path, int | list) else str(path)})
    for photo in (None, {}, {"url": "http://127.0.0.1/"}, "photo.png", []):
        with pytest.raises(InputError, match="There is no photo yet"):
            photo_bytes(photo)


def test_the_page_gets_a_small_picture():
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 1600, 3), dtype=np.uint8))
    kind, _, data = picture_url(photo).partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert shown.size == (SHOWN, SHOWN * 9 // 16)
    assert photo.size == (1600, 900)
