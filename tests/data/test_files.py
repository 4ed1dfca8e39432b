import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vqa.data.files import locked, whole_file, whole_folder, write_json
from vqa.model.errors import InputError


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
    with pytest.raises(OSError, match="full"), whole_folder(folder, "old") as new:
        (new / "half").touch()
        raise OSError("the disk is full")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"] * before
    with whole_folder(folder, "old") as new:
        (new / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "new"]


def test_what_is_no_file_or_folder_of_ours_is_never_replaced(tmp_path: Path) -> None:
    """`/dev/null` became a folder."""
    pipe, photos = tmp_path / "pipe", tmp_path / "photos"
    os.mkfifo(pipe)
    (photos / "album").mkdir(parents=True)
    for target, sentence in ((pipe, "not a writable folder"), (photos, "holds something else (it has no config.json)")):
        with pytest.raises(InputError, match=re.escape(sentence)), whole_folder(target, "config.json"):
            pass
    for target in (pipe, photos):
        with pytest.raises(InputError, match="is no file and cannot be replaced"), whole_file(target):
            pass
    assert pipe.is_fifo() and (photos / "album").is_dir() and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["n" * 300, "nu\0ll", "half \ud800"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    for write in (locked, whole_file, lambda path: whole_folder(path, "mark")):
        with pytest.raises(InputError, match="No file can have the name"), write(tmp_path / name):
            pass


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """Another process; this one may hold the folder twice, and leaves nothing behind."""
    code = "import sys, pathlib, vqa.data.files as f\nwith f.locked(pathlib.Path(sys.argv[1])): print('in')"
    second = [sys.executable, "-c", code, str(tmp_path / "out")]
    with locked(tmp_path / "out"):
        with locked(tmp_path / "out"):
            pass
        refused = subprocess.run(second, capture_output=True, text=True)
        assert "Another process is writing to" in refused.stderr and refused.stdout == ""
        (tmp_path / "out/content").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "content"]
    with locked(tmp_path / "new"):
        pass
    assert not (tmp_path / "new").exists()  # it is still empty
    assert subprocess.run(second, capture_output=True, text=True).stdout == "in\n"
