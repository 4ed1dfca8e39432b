"""`vqa train`: from a table and a folder of photos to a model, on a small drawn world."""

import csv
import importlib
import io
import itertools
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.train.refused import refused
from train import own_data
from train.own import learning, trials
from train.own_data import train
from vqa import cli
from vqa.checkpoint.card import verdict
from vqa.data.readers import read_examples
from vqa.predict import VQA

pytestmark = pytest.mark.usefixtures("no_network")
ROWS = 120


@pytest.fixture(scope="module")
def data(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's first questions as CSV, with a photo that is missing, and one whose answer is."""
    path = tmp_path_factory.mktemp("own") / "shapes.csv"
    rows = [json.loads(line) for line in (world / "questions.jsonl").read_text().splitlines()[:ROWS]]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "question", "answer"])
        writer.writerows([Path(row["image"]).name, row["question"], row["answer"]] for row in rows)
        writer.writerow(["nowhere.png", "what is it?", "red"])
        writer.writerow([Path(rows[0]["image"]).name, "what is it?", ""])
    return path


@pytest.fixture(scope="module")
def words(data: Path, world: Path, tiny_checkpoint: Path) -> list[str]:
    """The command line but for its output."""
    start = ["--start", str(tiny_checkpoint), "--epochs", "2", "--minutes", "1"]
    return ["train", str(data), "--images", str(world / "photos"), *start]


@contextmanager
def steady_clock(step: float = 0.002) -> Iterator[None]:
    """Each reading of the time is `step` seconds after the one before: what fits into the budget is the same on any
    machine."""
    clock = SimpleNamespace(perf_counter=itertools.count(0.0, step).__next__)
    with pytest.MonkeyPatch.context() as patch:
        for module in (own_data, trials, learning):
            patch.setattr(module, "time", clock)
        yield


@contextmanager
def stopped_after_a_fit(run: Path) -> Iterator[None]:
    """Ctrl-C when the second fit of a run begins."""
    fit = trials.fit

    def stop(*given: Any, **more: Any) -> int:
        if (run / "trials").exists():
            raise KeyboardInterrupt
        return fit(*given, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "fit", stop)
        yield


@pytest.fixture(scope="module")
def made(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model, and what was printed while it was made."""
    folder, printed = tmp_path_factory.mktemp("made") / "model", io.StringIO()
    with steady_clock(), redirect_stdout(printed):
        assert cli.main([*words, "--output", str(folder)]) == 0
    return folder, printed.getvalue()


def test_a_table_and_photos_become_a_model(made: tuple[Path, str], world: Path) -> None:
    folder, printed = made
    assert not folder.with_name("model.run").exists()
    vqa = VQA.load(folder)
    assert "green" in vqa.answers
    only_own = json.loads((folder / "results.json").read_text())["learning"]["only_own_answers"]
    assert ("teddy bear" in vqa.answers) is not only_own  # an answer of the start model that the data do not have
    assert vqa.ask(world / "photos/000003.png", "what shape is green?").unknown_words == []
    for part in (f"{ROWS} questions about 30 photos", "1 question left out, as there is no such photo: nowhere.png."):
        assert part in printed
    assert "1 question left out, as they have no 'answer': 'what is it?' about" in printed
    content = json.loads((folder / "results.json").read_text())
    assert verdict(content) in printed and f"vqa ui --model {folder}" in printed
    assert verdict(content) in (folder / "README.md").read_text()
    assert content["n"] % 24 == 0 and content["learning"]["refit"]  # each part is a fifth of the photos
    assert "a fifth of the 30 photos was kept apart." in printed


def test_photos_that_the_start_model_knows_are_reported(
    words: list[str], made: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Going on from a model of the same photos, no figure is called one about photos that it never saw."""
    more = ["--start", str(made[0]), "--epochs", "1", "--minutes", "0.3", "--output", str(tmp_path / "model")]
    assert cli.main([*words, *more]) == 0
    printed = capsys.readouterr().out
    assert "had learned from 30 of these photos before" in printed and "photos that were kept apart" in printed
    assert "never saw" not in printed and "never saw" in made[1] and "before, so that" not in made[1]
    assert json.loads((tmp_path / "model/results.json").read_text())["known_photos"] == 30


def test_everything_but_the_image_encoder_has_learned(made: tuple[Path, str], tiny_checkpoint: Path) -> None:
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_checkpoint, made[0]))
    assert len(after["question_encoder.embedding.weight"]) > len(before["question_encoder.embedding.weight"])
    for name, value in before.items():
        if name.startswith("image_encoder."):
            assert value.numpy().tobytes() == after[name].numpy().tobytes(), name
    size = before["attention.score.weight"].shape
    assert not torch.equal(before["attention.score.weight"], after["attention.score.weight"][: size[0], : size[1]])


def test_an_interrupted_run_is_continued_by_the_same_command(
    words: list[str], made: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    arguments, done, fit = [*words, "--output", str(tmp_path / "again")], [], trials.fit
    with steady_clock(), stopped_after_a_fit(tmp_path / "again.run"):
        assert cli.main(arguments) == 130
    assert "the same command resumes" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()
    (first,) = (tmp_path / "again.run/trials").iterdir()
    before = first.stat().st_mtime_ns
    assert "with --epochs 2; continue it so" in refused(cli.main, *arguments, "--epochs", "3")
    monkeypatch.setattr(trials, "fit", lambda *a, **more: done.append(first.stat().st_mtime_ns) or fit(*a, **more))
    with steady_clock():
        assert cli.main(arguments) == 0
    assert "Continuing the run in" in capsys.readouterr().out
    assert set(done) == {before}, "a finished fit was repeated"
    weights = "model.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() == (made[0] / weights).read_bytes()


def test_the_measured_model_is_kept_on_request(words: list[str], tmp_path: Path, capsys) -> None:
    assert cli.main([*words, "--output", str(tmp_path / "measured"), "--no-refit"]) == 0
    assert "has not learned from the fifth" in capsys.readouterr().out
    assert VQA.load(tmp_path / "measured").answers


def test_too_little_time_is_refused_in_a_sentence(words: list[str], tmp_path: Path) -> None:
    arguments = [*words, "--output", tmp_path / "hasty", "--minutes"]
    with steady_clock(0.2):
        sentence = refused(cli.main, *arguments, "0.01")
    assert "A budget of 0.01 minutes is too short" in sentence and "give --minutes 1," in sentence
    assert "--minutes is inf; give a finite number." in refused(cli.main, *arguments, "inf")


@pytest.mark.parametrize("output", [".", "/", "..", "./"])
def test_an_output_without_a_name_is_refused(words: list[str], output: str) -> None:
    assert "name a folder to create" in refused(cli.main, *words, "--output", output)


def test_nearly_equal_answers_are_listed_and_merged(words: list[str], data: Path, tmp_path: Path, capsys) -> None:
    table = tmp_path / "plural.csv"
    table.write_text(data.read_text().replace(",square\n", ",squares\n", 1))
    check = ["train", str(table), *words[2:]]
    assert cli.main(check) == 0
    printed = capsys.readouterr().out
    assert "'squares' and 'square'" in printed and f"vqa train {table} --images {words[3]} --merge." in printed
    assert cli.main([*check, "--merge"]) == 0
    merged = "1 answer nearly equal to a more common one ('squares' and 'square'); they are counted"
    assert merged in capsys.readouterr().out


def test_bad_input_is_reported_in_one_sentence(words: list[str], data: Path, tmp_path: Path) -> None:
    new = ["--output", tmp_path / "new"]
    assert "--epochs is 0" in refused(cli.main, *words, *new, "--epochs", "0")
    assert "There is no model folder" in refused(cli.main, *words, *new, "--start", "./nowhere")
    assert "The setting seed is -1" in refused(cli.main, *words, *new, "--seed=-1")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/thesis.txt").write_text("precious")
    assert "taken is not empty" in refused(cli.main, *words, "--output", tmp_path / "taken")
    lines, broken = data.read_text().splitlines(), tmp_path / "broken.csv"
    rows = [dict(zip(("image", "question"), line.split(","), strict=False)) for line in lines[1:-2]]
    disagreed = [json.dumps(row | {"answers": [f"{i} {n}" for n in range(10)]}) for i, row in enumerate(rows)]
    for path, content, message in (
        (broken, [*lines[:16], "a.jpg,what, or where?,cat", *lines[17:]], f"Line 17 of {broken} has 4 columns"),
        (tmp_path / "few.csv", lines[:9], "at least 20 are needed"),
        (tmp_path / "disagreed.jsonl", disagreed, "No answer was given often enough"),
    ):
        path.write_text("\n".join(content))
        assert message in refused(cli.main, "train", path, *words[2:], *new)
    assert not list(tmp_path.glob("new*"))


def test_a_run_with_other_questions_is_not_continued(words: list[str], data: Path, tmp_path: Path) -> None:
    """Unless nothing has been learned yet, as after a refused budget."""
    run, output, other = tmp_path / "model.run", ["--output", str(tmp_path / "model")], tmp_path / "other.csv"
    other.write_text("\n".join(data.read_text().splitlines()[:-3]))
    with steady_clock(0.5):
        assert "is too short" in refused(cli.main, "train", other, *words[2:-1], "0.1", *output)
    assert {path.name for path in run.iterdir()} == {"questions.jsonl", "settings.json", "features"}
    with stopped_after_a_fit(run):
        assert cli.main([*words, *output]) == 130
    assert "unfinished run with other questions" in refused(cli.main, "train", other, *words[2:], *output)
    for option, before in (("--seed=2", "--seed 1"), ("--minutes=7", "--minutes 1.0")):
        assert f"unfinished run with {before};" in refused(cli.main, *words, *output, option)
    assert "unfinished run without --no-refit;" in refused(cli.main, *words, *output, "--no-refit")


def test_without_output_the_data_is_only_checked_with_the_core_install(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("train.")]:
        package, _, module = name.rpartition(".")
        monkeypatch.setattr(sys.modules[package], module, sys.modules[name])  # undone at the end, as the line below is
    for name in [name for name in sys.modules if name.startswith("train.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("accelerate", "jsonargparse", "tensorboard", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert f"{ROWS} questions about 30 photos" in printed and "epoch" not in printed
    importlib.import_module("train.own.conclude")


@pytest.mark.parametrize(
    ("model", "interval", "expected"),
    [
        (30.0, [4.0, 16.0], "beats guessing without looking: 30.0% of 200 questions"),
        (22.0, [-3.0, 7.0], "that may be chance"),
        (20.0, [-5.0, 5.0], "does not beat guessing without looking"),
        (10.0, [-15.0, -5.0], "does not beat guessing without looking"),
    ],
)
def test_the_verdict_depends_on_the_interval(model: float, interval: list[float], expected: str) -> None:
    content = {"n": 200, "metrics": {"exact": model}, "baselines": {"question_only": 20.0}}
    sentence = verdict(content | {"intervals": {"above_question_only": interval}})
    assert expected in sentence and sentence.endswith(".") and sentence.count(". ") == 0


def test_human_questions_about_real_photos(shared: Path, tmp_path: Path) -> None:
    """DAQUAR with the bundled model, one pass: the report, the store, the growing and the evaluation fit together."""
    folder = shared / "data" / "daquar"
    rows = [json.loads(line) for line in (folder / "questions_train.jsonl").read_text().splitlines()]
    photos = sorted({row["image"] for row in rows})[:20]  # as many as it needs
    table = tmp_path / "rooms.jsonl"
    chosen = [{k: r[k] for k in ("image", "question", "answer")} for r in rows if r["image"] in photos]
    table.write_text("".join(json.dumps(row) + "\n" for row in chosen))
    with steady_clock(0.2):
        content = train(str(table), str(folder / "photos"), str(tmp_path / "rooms"), epochs=1, minutes=0.1)
    assert content is not None and content["baselines"]["upper_bound"] > content["metrics"]["exact"] >= 0
    vqa = VQA.load(tmp_path / "rooms")
    assert {e.answer.split(", ")[0] for e in read_examples(table) if e.answer} & set(vqa.answers)
    assert vqa.ask(folder / "photos" / photos[0], "what is on the desk?").text in vqa.answers
    assert np.isfinite(vqa.config.temperature)
