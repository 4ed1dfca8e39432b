import numpy as np
import pytest

from ui import drawings
from ui.models import static
from vqa.data.photos import open_photo


@pytest.mark.parametrize("name", drawings.SHAPES)
def test_the_drawings_are_those_that_are_committed(name):
    committed = np.asarray(open_photo(static("examples") / f"{name}.webp"))
    np.testing.assert_array_equal(committed, np.asarray(drawings.draw(name)))


def test_the_icon_is_the_one_that_is_committed():
    committed = np.asarray(open_photo(static("icon-512.png")))
    np.testing.assert_array_equal(committed, np.asarray(drawings.icon()))
    margin = committed.shape[0] // 20
    assert (committed[:margin] == drawings.NIGHT).all()  # systems cut corners and edges off
    assert (committed[:, :margin] == drawings.NIGHT).all()


def test_main_writes_them_all(tmp_path, monkeypatch):
    monkeypatch.setattr(drawings, "static", lambda name: tmp_path / name)
    drawings.main()
    assert {path.name for path in tmp_path.rglob("*.*")} == {"icon-512.png", *(f"{n}.webp" for n in drawings.SHAPES)}
