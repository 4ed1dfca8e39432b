"""`vqa ask` and `vqa describe` with many photos."""

import csv
import io
import json
import os
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.data.refusal import refusal
from vqa import cli, many
from vqa.predict import VQA

QUESTIONS = ["what is on the table?", "what color is the cat?"]


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a folder `album` of three photos, a damaged one, and what is no photo."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    (folder / ".thumbnails").mkdir()
    rng = np.random.default_rng(0)
    for name in ("b.png", "a.jpg", "sub/c d,é.PNG", ".thumbnails/t.png", "._a.jpg"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(folder / name)
    (folder / "damaged.jpg").write_bytes(b"\xff\xd8\xff damaged")
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture
def ask(tiny_checkpoint):
    return lambda *arguments: cli.main(["ask", *arguments, "--model", str(tiny_checkpoint)])


IN_ALBUM = ["album/a.jpg", "album/b.png", "album/damaged.jpg", "album/sub/c d,é.PNG"]


@pytest.mark.parametrize(
    ("inputs", "photos", "questions"),
    [
        (["album", "what?"], IN_ALBUM, ["what?"]),
        (["album/", "what?", "who?", "what?"], IN_ALBUM, ["what?", "who?"]),
        (["album/*.png", "what?"], ["album/b.png"], ["what?"]),
        (["album/**/*.PNG", "is it a *?"], ["album/sub/c d,é.PNG"], ["is it a *?"]),
        (["album/b.png", "what?", "album/a.jpg"], ["album/b.png", "album/a.jpg"], ["what?"]),
        (["none.jpg", "missing.webp", "cat"], ["none.jpg", "missing.webp"], ["cat"]),
        (["album/notes.txt", "is this a [bold] cat?"], ["album/notes.txt"], ["is this a [bold] cat?"]),
        (["album/a.jpg", "album", "what?"], IN_ALBUM, ["what?"]),
        (["-", "what?"], ["x y.jpg", "z.png"], ["what?"]),
    ],
)
def test_photos_and_questions_are_told_apart(album, monkeypatch, inputs, photos, questions):
    named, asked = many.split(inputs)
    assert asked == questions
    for listed in (b"x y.jpg\n\nz.png\n", b"\xef\xbb\xbfx y.jpg\r\nz.png", b"x y.jpg\0z.png\0"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed)))
        assert many.list_photos(named) == [str(Path(photo)) if photo in IN_ALBUM else photo for photo in photos]


def test_what_names_no_photo_or_no_question_is_reported(album):
    (album / "empty").mkdir()
    assert "album/empty names no photo" in refusal(many.list_photos, ["album/empty"])
    assert "*.gif names no photo" in refusal(many.list_photos, ["*.gif"])
    assert "There is no question" in refusal(many.split, ["album/a.jpg", "album/b.png"])
    for content, questions in (
        ("what?\r\n\r\n who? \r\n".encode("utf-8-sig"), ["what?", "who?"]),
        ("what is in the café?".encode("cp1252"), ["what is in the café?"]),
    ):
        (album / "questions.txt").write_bytes(content)
        assert many.split(["album"], "album/questions.txt")[1] == questions


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_has_a_row_for_each_photo_and_question(album, ask, capsys, tiny_checkpoint, tmp_path):
    assert ask("album", *QUESTIONS, "zyzzyva", "--csv", "out.csv") == 1
    summary = "12 rows are in out.csv.\n", "vqa: 6 of 12 could not be answered; the reasons are with them.\n"
    assert capsys.readouterr() == summary
    rows = rows_of(tmp_path / "out.csv")
    pairs = [(row["photo"], row["question"]) for row in rows]
    assert sorted(pairs) == sorted(product(IN_ALBUM, [*QUESTIONS, "zyzzyva"]))
    vqa = VQA.load(tiny_checkpoint)
    for row in rows:
        if row["question"] == "zyzzyva":
            assert "knows none of the words" in row["error"] and not row["answer"]
        elif "damaged" in row["photo"]:
            assert row["error"].startswith("album/damaged.jpg is damaged") and not row["answer"]
        else:
            answer = vqa.ask(row["photo"], row["question"])
            assert (row["answer"], row["without_photo"], row["error"]) == (answer.text, answer.blind.answer, "")
            assert float(row["confidence"]) == pytest.approx(answer.confidence, abs=0.02)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("cut", [0.0, 0.3, 0.7, 1.0])
def test_a_run_that_was_ended_continues(album, ask, capsys, tmp_path, monkeypatch, kind, cut):
    arguments, path = ("album", *QUESTIONS, f"--{kind}", f"out.{kind}"), tmp_path / f"out.{kind}"
    assert ask(*arguments) == 1
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])  # in the middle of a row
    capsys.readouterr()
    asked, original = [], many.ask_all
    monkeypatch.setattr(many, "ask_all", lambda *given: (asked.append(r) or r for r in original(*given)))
    assert ask(*arguments) == 1
    assert "8 rows are in" in (captured := capsys.readouterr()).out and "2 of 8 could not" in captured.err
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())
    assert sum(map(len, asked)) < 8 or cut < 0.1


def test_a_file_that_is_no_such_table_is_left_alone(album, ask, capsys, tmp_path):
    path = tmp_path / "out.csv"
    for content in (
        *("name,price\na,1\n", "photo,question,model\na.jpg,what?,another\n", "photo,question\na.jpg,what?\nnote"),
        *(",".join(many.CAPTION) + "\na.jpg,a cat,1,tiny,\n", "a note without an end"),
        ",".join(many.ANSWER) + '\n"a,' + "b,what?,cat,1,,,,,m,\n" * 20,  # a quote without an end
        *("[1]\n", '{"photo": ["x"], "question": 3}\n', '{"photo": "x", "caption": "a cat"}\n', '{"a": 1}', "[" * 9999),
    ):
        path.write_text(content)
        for kind in ["jsonl"] if content[0] in "[{" else ["csv", "jsonl"]:
            assert ask("album", *QUESTIONS, f"--{kind}", "out.csv") == 2, content
            assert "out.csv holds" in capsys.readouterr().err and path.read_text() == content
    for options in (["--csv", "none/out.csv"], ["--csv", "a.csv", "--jsonl", "a.jsonl"], ["--overlay", "a.png"]):
        assert ask("album", *QUESTIONS, *options) == 2
    assert not (tmp_path / "a.csv").exists()


def test_without_a_table_rows_are_printed(album, ask, capsys):
    assert ask("album/a.jpg", "album/b.png", QUESTIONS[0]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [["album/a.jpg", QUESTIONS[0]], ["album/b.png", QUESTIONS[0]]]
    assert all(line[2].endswith("%)") for line in lines)
    assert ask("album/a.jpg", "none.jpg", QUESTIONS[0], "--json", "--top", "2") == 1
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(good["top"]) == 2 and good["answer"] == good["top"][0]["answer"]
    error = "There is no photo none.jpg; check its name and place."
    assert bad == {"photo": "none.jpg", "question": QUESTIONS[0], "error": error}


def test_captions_of_a_folder(album, capsys, tmp_path, monkeypatch):
    vqa = SimpleNamespace(name="bundled", checkpoint=SimpleNamespace(size=64))
    describer = SimpleNamespace(vqa=vqa, side=64)
    describer.describe = lambda image, **_: SimpleNamespace(text=f"{image.size}", score=-1.5)
    monkeypatch.setattr("vqa.captioning.describe.Describer.load", lambda *_: describer)
    monkeypatch.setattr("vqa.predict.VQA.load", lambda *_: object.__new__(VQA))
    for end in ("", ", 4 from an earlier run; to compute them anew, name another file"):
        assert cli.main(["describe", "album", "--csv", "captions.csv"]) == 1
        captured = capsys.readouterr()
        assert captured.out == f"4 rows are in captions.csv{end}.\n" and "1 of 4" in captured.err
        rows = rows_of(tmp_path / "captions.csv")
        assert sorted(row["photo"] for row in rows) == IN_ALBUM
        assert [row["caption"] for row in rows if not row["error"]] == ["(50, 40)"] * 3
    assert cli.main(["describe", *IN_ALBUM[:2]]) == 0
    assert capsys.readouterr().out == "album/a.jpg\t(50, 40)\nalbum/b.png\t(50, 40)\n"


def test_names_that_are_no_utf_8(album, ask, tmp_path):
    name = os.fsdecode(b"album/caf\xe9.png")
    (album / "b.png").rename(name)
    for kind in ("csv", "jsonl"):
        for _ in range(2):
            assert ask(name, QUESTIONS[0], f"--{kind}", f"out.{kind}") == 0
        assert b"caf\xe9.png" in (tmp_path / f"out.{kind}").read_bytes()


def test_folders_that_are_left_out_are_reported(album, monkeypatch, caplog):
    """Links to folders, which may lead anywhere, and folders that cannot be read."""
    (album / "link").symlink_to("/")
    scandir = os.scandir

    def locked(place):
        if str(place).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", locked)
    assert [os.path.basename(name) for name in many.list_photos(["album"])] == ["a.jpg", "b.png", "damaged.jpg"]
    assert "album/sub cannot be read (Permission denied); it is left out." in caplog.text
    assert "album/link is a link to a folder and left out; name it, too" in caplog.text
