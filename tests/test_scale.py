"""Many photos by Ray's workers: the same answers as in one process, in parts that are made once."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import dataset, parquet

from tests.data.refusal import refusal
from vqa import cli, many, scale
from vqa.predict import VQA

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install -e '.[scale]'")
QUESTION = "what is on the table?"


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a folder of five photos and a damaged one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "album").mkdir()
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (5, 40, 50, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(tmp_path / "album" / f"{i}.png")
    (tmp_path / "album" / "damaged.jpg").write_bytes(b"\xff\xd8\xff damaged")
    return tmp_path / "album"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let this process do what Ray's workers do; the names of the parts that were made."""
    names: list[str] = []

    def compute(todo, worker, workers, device):
        one = scale.Worker(*worker)
        for block in todo:
            names.append(scale.part_name(**block))
            (error,) = one({name: np.array([value]) for name, value in block.items()})["error"]
            if error:
                raise scale.InputError(error)

    monkeypatch.setattr(scale, "compute", compute)
    return names


def ask(model: Path, *inputs: str, questions: str | None = None) -> str:
    """Two rows a block; returns how the run ends: with refused rows, or with a refusal."""
    load = {"model": str(model), "device": "cpu"}
    try:
        scale.ask(inputs, questions, "out", 2, 1, 2, **load)
    except many.PartlyFailed as error:
        return str(error)
    return ""


def rows_in(kind: str) -> list[dict]:
    rows = dataset.dataset(f"out/{kind}").to_table().to_pylist()
    return sorted(rows, key=lambda row: (row["photo"], row["question"]))


def test_ray_s_workers_answer_as_one_process_does(album, tiny_checkpoint, capfd, no_network):
    arguments = ["ask", "album", QUESTION, "zyzzyva", "--model", str(tiny_checkpoint), "--device", "cpu"]
    assert cli.main([*arguments, "--engine", "ray", "--workers", "1", "--parquet", "out"]) == 1
    out, error = capfd.readouterr()
    assert out == "5 rows are in out/answers, and 7 in out/refused.\n"
    assert error.endswith("vqa: 7 of 12 rows were refused; the reasons are with them.\n")
    assert "Traceback" not in error and len(error.splitlines()) <= 2  # Ray remarks on its log's level
    vqa = VQA.load(tiny_checkpoint, "cpu")
    expected = [row for rows in many.ask_all(vqa, many.list_photos(["album"]), [QUESTION]) for row in rows]
    for row, other in zip(rows_in("answers"), [row for row in expected if "error" not in row], strict=True):
        assert row.pop("confidence") == pytest.approx(other.pop("confidence"), abs=1e-3)
        assert (row["photo"], row["answer"], row["sure"]) == (other["photo"], other["answer"], other["sure"])
        assert [one["answer"] for one in row["top"]] == [one["answer"] for one in other["top"]]
    reasons = {(row["photo"], row["question"]): row["error"] for row in rows_in("refused")}
    assert reasons["album/damaged.jpg", QUESTION] == next(row["error"] for row in expected if "error" in row)
    assert "knows none of the words" in reasons["album/0.png", "zyzzyva"]


def test_a_run_that_was_ended_makes_only_the_missing_parts(album, tiny_checkpoint, made):
    assert "1 of 6" in ask(tiny_checkpoint, "album", QUESTION) and len(made) == 3
    before = rows_in("answers"), rows_in("refused")
    Path("out/answers", made[2]).unlink()  # ended after the part of what was refused
    Path("out/answers", f".1-{made[2]}").write_bytes(b"half a part")
    del made[:2]
    assert "1 of 6" in ask(tiny_checkpoint, "album", QUESTION)
    assert made == made[:1] * 2 and (rows_in("answers"), rows_in("refused")) == before
    assert not list(Path("out/answers").glob(".*"))
    Image.new("RGB", (20, 20), "red").save(album / "00.png")  # a new photo
    made.clear()
    assert "1 of 7" in ask(tiny_checkpoint, "album", QUESTION)
    assert len(made) == 1 and len(rows_in("answers")) == 6
    assert "was begun with questions" in refusal(ask, tiny_checkpoint, "album", "what is this?")


def test_parquet_with_pictures_and_questions(album, tiny_checkpoint, made):
    content = [(album / f"{i}.png").read_bytes() for i in range(5)]
    inside = [{"bytes": content[0], "path": "a.png"}, {"bytes": content[1], "path": None}, None]
    named = [{"bytes": None, "path": "album/3.png"}, {"bytes": content[4], "path": "a.png"}]
    table = pa.table({"Image": inside + named, "Question": [QUESTION] * 4 + [None], "more": range(5)})
    Path("data").mkdir()
    parquet.write_table(table, "data/some.parquet", row_group_size=3)
    assert "2 of 5" in ask(tiny_checkpoint, "data")
    assert made == [f"some-{first:012}.parquet" for first in (0, 2, 3)]
    answers = {row["photo"]: row["answer"] for row in rows_in("answers")}
    vqa = VQA.load(tiny_checkpoint, "cpu")
    photos = {"a.png": "album/0.png", "some.parquet, row 2": "album/1.png", "album/3.png": "album/3.png"}
    assert answers == {name: vqa.ask(photo, QUESTION).text for name, photo in photos.items()}
    refused = {row["photo"]: row["error"][:15] for row in rows_in("refused")}
    assert refused == {"some.parquet, row 3": "The photo is em", "a.png": "The question is"}
    parquet.write_table(table.slice(0, 2), "data/some.parquet")
    assert "was begun with a some.parquet of bytes" in refusal(ask, tiny_checkpoint, "data")


def test_bad_input_is_one_sentence(album, tiny_checkpoint, made, monkeypatch):
    parquet.write_table(pa.table({"image": ["a.png"]}), "a.parquet")
    assert "has no column 'question'" in refusal(ask, tiny_checkpoint, "a.parquet")
    assert "give only one folder" in refusal(ask, tiny_checkpoint, "a.parquet", "album", QUESTION)
    assert "no model" in refusal(ask, Path("nowhere"), "album", QUESTION) and made  # found by a worker
    Path("other").mkdir()
    Path("other/file").touch()
    options = ["ask", "album", QUESTION, "--parquet", "other"]
    assert cli.main(options) == cli.main([*options, "--engine", "ray"]) == 2
    assert cli.main([*options[:-1], "new", "--engine", "ray", "--workers", "0"]) == 2


def test_a_cluster_that_is_not_there_is_refused_at_once(album, made, monkeypatch):
    for address in ("127.0.0.1:9", "ray://[::1]:9", "127.0.0.1:99999", "a..b:6379", "a:²", " 127.0.0.1:9 "):
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert f"RAY_ADDRESS is {address.strip()}" in refusal(ask, Path("nowhere"), "album", QUESTION)
    assert not Path("out").exists()


def test_without_ray_the_extra_is_named(album, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert cli.main(["ask", "album", QUESTION, "--engine", "ray", "--parquet", "out"]) == 2
    assert "pip install 'glimpse-vqa[scale]'" in capsys.readouterr().err and not Path("out").exists()
