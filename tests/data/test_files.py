from pathlib import Path

import pytest

from vqa.data.files import whole_file, whole_folder, write_json


def test_file_appears_at_the_end(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.txt") as new:
        new.write_text("new")
        assert new.suffix == ".txt" and not (tmp_path / "a.txt").exists()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "new")]


def test_failed_file_leaves_the_old_one(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ["é"])
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", object())
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.json") as new:
        new.write_text("half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text("utf-8")) for path in tmp_path.iterdir()] == [("a.json", '[\n "é"\n]\n')]


@pytest.mark.parametrize("before", [True, False])
def test_folder_is_replaced_whole_or_not_at_all(tmp_path: Path, before: bool) -> None:
    folder = tmp_path / "model"
    if before:
        folder.mkdir()
        (folder / "old").touch()
    with pytest.raises(OSError, match="full"), whole_folder(folder) as new:
        (new / "half").touch()
        raise OSError("the disk is full")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"] * before
    with whole_folder(folder) as new:
        (new / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "new"]
