"""`vqa evaluate`, from the command line to its files."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.files import SCHEMA, read, read_lines, write_lines
from train import extract_features
from vqa.cli import main
from vqa.data.examples import Example, write_jsonl
from vqa.data.world import write_world
from vqa.evaluation.answers.records import Journal
from vqa.evaluation.measures.wups import wups
from vqa.model.device import fast_dtype
from vqa.predict import VQA

pytestmark = pytest.mark.usefixtures("no_network")
QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there?"]
ANSWERS = ["yes", "no", "two", "red", "a teddy bear", "zebra"]
PHOTOS = 6
FILES = ["official", "predictions.json", "records.jsonl", "report.html", "results.json"]
PRIORS = {"majority": "yes", "by_type": {}, "by_prefix": {"how": "2", "what color": "red"}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A folder: questions with answers, the same in the official format without them, their photos, and a model."""
    folder, generator = tmp_path_factory.mktemp("data"), np.random.default_rng(1)
    (folder / "photos").mkdir()
    for photo in range(1, PHOTOS + 1):
        pixels = generator.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"photos/{photo:012d}.png")
    rows, asked = [], []
    for number in range(3 * PHOTOS):
        photo, question = number % PHOTOS + 1, QUESTIONS[number // PHOTOS]
        answers = generator.choice(ANSWERS, 10, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]).tolist()
        answer, kind = max(answers, key=answers.count), ("other", "number")[number % 2]
        name, begin = f"{photo:012d}.png", question.split()[0]
        rows.append(Example(name, question, answer, tuple(answers), None, number, photo, begin, kind))
        asked.append({"image_id": photo, "question": question, "question_id": number})
    write_jsonl(rows, folder / "data.jsonl")
    (folder / "questions.json").write_text(json.dumps({"data_type": "mscoco", "questions": asked}))
    shutil.copytree(tiny_checkpoint, folder / "model")
    (folder / "model/priors.json").write_text(json.dumps(PRIORS))
    return folder


def run(data: Path, *more: object, status: int = 0) -> None:
    """The command; of an option that is given twice the second counts."""
    plain = ["--data", data / "data.jsonl", "--images", data / "photos", "--model", data / "model"]
    assert main(["evaluate", *map(str, [*plain, *more])]) == status


@pytest.fixture(scope="module")
def results(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a plain run."""
    output = tmp_path_factory.mktemp("output") / "results"
    run(data, "--output", output)
    return output


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def valid(output: Path) -> dict[str, Any]:
    """The content of `results.json`, which fits its schema."""
    content = read(output / "results.json")
    SCHEMA.validate(content)
    return content


def figures(output: Path) -> dict[str, Any]:
    """The results without what names the files and the state of the code."""
    left_out = ("data", "command", "environment")
    return {name: value for name, value in read(output / "results.json").items() if name not in left_out}


def test_output_is_complete(results: Path) -> None:
    assert names(results) == FILES and len(names(results / "official")) == 5
    content = valid(results)
    assert content["n"] == content["metrics"]["n_official"] == 3 * PHOTOS
    assert content["data"]["files"] == ["data.jsonl"] and content["data"]["n"] == 3 * PHOTOS
    assert re.fullmatch("[0-9a-f]{32}", content["data"]["hashes"]["data.jsonl"])
    assert content["baselines"]["majority"] > 50
    predictions = read(results / "predictions.json")
    assert [p["question_id"] for p in predictions] == list(range(3 * PHOTOS))
    assert all(p.keys() == {"question_id", "answer"} for p in predictions)


def test_official_files_give_the_same_figures_as_jsonl(data: Path, shared: Path, tmp_path: Path) -> None:
    official, coco, count = shared / "data/vqa-v2-official", shared / "data/coco", 30
    wanted = [q["question_id"] for q in read(official / "questions_val.json")["questions"]][:count]
    rows = read_lines(coco / "questions_val.jsonl")
    of_id = {row["question_id"]: row | {"source": None} for row in rows if "answers" in row}  # as in official files
    file = write_lines(tmp_path / "same.jsonl", [of_id[i] for i in wanted])
    pair = ["--data", official / "questions_val.json", "--annotations", official / "annotations_val.json"]
    run(data, *pair, "--images", coco / "photos", "--limit", str(count), "--output", tmp_path / "pair")
    run(data, "--data", file, "--images", coco / "photos", "--output", tmp_path / "jsonl")
    assert figures(tmp_path / "pair") == figures(tmp_path / "jsonl")
    assert read(tmp_path / "pair/predictions.json") == read(tmp_path / "jsonl/predictions.json")
    assert figures(tmp_path / "pair")["n"] == count


def test_table_has_the_figures(data: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(data)
    output, content = capsys.readouterr().out, read(results / "results.json")
    for figure in (content["metrics"]["exact"], content["metrics"]["official"], *content["baselines"].values()):
        assert f"{figure:.1f}" in output
    for word in ("question", "image", "majority", "upper", "number", "other", "official"):
        assert word in output


def test_what_is_left_out_is_reported(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also from odd names: brackets are markup to what draws the table, and must come out as they are."""
    shutil.copytree(data / "photos", tmp_path / "photos")
    (tmp_path / "photos/000000000002.png").unlink()
    (tmp_path / "photos/000000000004.png").write_bytes(b"no photo")
    rows = [row | {"source": "[/red]"} for row in read_lines(data / "data.jsonl")]
    rows[0]["question"] = "[/]?!"
    del rows[2]["answer"], rows[2]["answers"]
    file = write_lines(tmp_path / "[bold].jsonl", rows)
    run(data, "--data", file, "--images", tmp_path / "photos", "--output", tmp_path / "[/out]")
    output, content = capsys.readouterr().out, read(tmp_path / "[/out]/results.json")
    assert "6 questions left out (photo), such as: " in output
    assert "1 questions left out (question), such as: question 0: The question '[/]?!' has no words" in output
    assert "1 of 18 questions have no answer to compare with, so they are not scored." in output
    assert "[/red]" in output and "[/out]" in output
    assert content["skipped"] == {"photo": 6, "question": 1, "answer": 1}
    assert (content["n"], content["data"]["n"]) == (10, 18)


def test_features_and_photos_agree(data, results, tmp_path, monkeypatch) -> None:
    flags = ["--backbone=tiny", "--image-size=64", "--bits=16", "--images", str(data / "photos")]
    assert extract_features.main([f"--pretrained={data / 'model'}", f"--output={tmp_path / 'store'}", *flags]) == 0
    monkeypatch.setattr(VQA, "encode_squares", lambda *_: pytest.fail("a photo was encoded"))
    run(data, "--features", tmp_path / "store", "--output", tmp_path / "out")
    stored, seen = (read_lines(folder / "records.jsonl") for folder in (tmp_path / "out", results))
    for one, other in zip(stored, seen, strict=True):
        assert (one["prediction"], one["blind"]) == (other["prediction"], other["blind"])
        assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-3)  # 16 bits were kept
    assert {**figures(tmp_path / "out"), "calibration": None} == {**figures(results), "calibration": None}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--data", "WORDLESS.JSONL"], "No question of"),
        (["--images", "nowhere"], "There is no folder nowhere"),
        (["--images", "EMPTY"], "None of the photos of"),
        (["--model", "nowhere/at/all"], "nowhere/at/all"),
        (["--features", "nowhere"], "no feature store in nowhere"),
        (["--annotations", "some.json"], "leave them out"),
        (["--output", "FILE"], "Nothing can be written to"),
        (["--limit", "0"], "--limit is 0; give at least 1."),
        (["--deletion", "-1"], "--deletion is -1; give at least 0."),
        (["--batch-size", "0"], "--batch-size is 0; give at least 1."),
        (["--processes", "0"], "--processes is 0; give at least 1."),
        (["--predictions", "nowhere.json"], "nowhere.json cannot be read"),
        (["--predictions", "FEW"], "has no prediction for 17 of the 18 questions"),
        (["--boxes", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--boxes", "FILE"], "FILE has none of the photos of"),
        (["--boxes", "WORDLESS.JSONL"], "WORDLESS.JSONL has no 'objects'; give"),
        (["--boxes", "FILE", "--predictions", "FILE"], "Boxes measure attention"),
    ],
)
def test_bad_arguments_end_with_a_sentence_and_write_nothing(data, tmp_path, capsys, flags, message) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("")
    (tmp_path / "FEW").write_text('[{"question_id": 3, "answer": "yes"}]')
    (tmp_path / "WORDLESS.JSONL").write_text('{"image": "000000000001.png", "question": "?!", "answer": "yes"}\n')
    flags = [tmp_path / flag if flag.isupper() else flag for flag in flags]
    run(data, "--output", tmp_path / "out", *flags, status=2)
    sentence = capsys.readouterr().err
    assert sentence.startswith("vqa: ") and sentence.count("\n") == 1 and sentence.endswith(".\n")
    assert message in sentence and not (tmp_path / "out").exists()


def test_questions_without_answers_are_answered_and_not_scored(data, results, tmp_path, capsys) -> None:
    run(data, "--data", data / "questions.json", "--output", tmp_path)
    assert "The data holds no answers, so nothing is scored" in capsys.readouterr().out
    assert names(tmp_path) == ["predictions.json", "records.jsonl"]
    assert read(tmp_path / "predictions.json") == read(results / "predictions.json")


def test_submitted_predictions_are_scored(data: Path, results: Path, tmp_path: Path) -> None:
    run(data, "--predictions", results / "predictions.json", "--output", tmp_path / "out")
    mine, ours = valid(tmp_path / "out"), read(results / "results.json")
    assert mine["metrics"] == ours["metrics"] and mine["intervals"]["exact"] == ours["intervals"]["exact"]
    assert (mine["model"], mine["weights"]) == ("predictions.json", None)
    assert names(tmp_path / "out") == FILES


class Killed(BaseException):
    """What no code catches."""


@pytest.mark.parametrize("killed_after", [1, 2])
def test_killed_run_is_resumed(data, tmp_path, monkeypatch, capsys, killed_after) -> None:
    arguments = ["--batch-size", "2", "--swap-photos", "--output"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(data, *arguments, whole)
    append, written = Journal.append, []

    def kill(self: Journal, batch: int, records: list) -> None:
        if len(written) == killed_after:
            raise Killed
        written.append(batch)
        append(self, batch, records)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", kill)
        with pytest.raises(Killed):
            run(data, *arguments, killed)
    assert names(killed) == [".unfinished"]
    written.clear()
    monkeypatch.setattr(Journal, "append", lambda *a: (written.append(a[1]), append(*a)))
    capsys.readouterr()
    run(data, *arguments, killed)
    assert f"Going on after {6 * killed_after} of 18 questions." in capsys.readouterr().out
    assert written == [0, 1, 2][killed_after:]
    assert names(killed) == FILES and figures(killed) == figures(whole)
    for name in ("records.jsonl", "predictions.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_another_run_in_the_same_folder_starts_anew(data, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("vqa.evaluation.command.results", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        run(data, "--output", tmp_path)
    monkeypatch.undo()
    capsys.readouterr()
    run(data, "--output", tmp_path, "--limit", "5")
    assert "Going on" not in capsys.readouterr().out
    assert [p["question_id"] for p in read(tmp_path / "predictions.json")] == [0, 1, 2, 3, 4]


def test_processes_give_the_same_figures(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vqa.runtimes.pytorch.fast_dtype", fast_dtype)  # as in processes, where nothing is patched
    for count in ("1", "2"):
        run(data, "--batch-size", "2", "--device", "cpu", "--processes", count, "--output", tmp_path / count)
    assert (tmp_path / "2/records.jsonl").read_bytes() == (tmp_path / "1/records.jsonl").read_bytes()
    assert figures(tmp_path / "2") == figures(tmp_path / "1")


def test_further_measurements_are_written(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"image": "000000000001.png", "objects": [["cat", 0, 0, 0.5, 0.5], ["dog", 0.5, 0.5, 0.5, 0.5]]},
        {"image": "000000000002.png", "objects": [["cat", 0.2, 0.3, 0.5, 0.5]]},
        {"image": "of other data.png", "objects": []},
    ]
    boxes = write_lines(tmp_path / "boxes.jsonl", rows)
    flags = ["--swap-photos", "--deletion", "6", "--robustness", "100", "--boxes", boxes]
    run(data, *flags, "--output", tmp_path / "out")
    output, content = capsys.readouterr().out, valid(tmp_path / "out")
    assert set(content["grounding"]) == {"photo_swap", "deletion", "boxes"}
    assert (content["grounding"]["deletion"]["n"], content["robustness"]["n"]) == (6, 18)
    found = content["grounding"]["boxes"]
    # the cat of both photos, the dogs of the first; the other photos have no boxes
    assert (found["n"], found["left_out"], found["unknown"]) == (3, 15, 12)
    assert len(found["glimpses"]) == 2
    for words in (
        "About other photos",
        "Points lost with a part covered (6 questions)",
        "Points lost on up to 18 questions",
        f"at a named object in {found['peak_grown']['attention']:.1f}% (glimpse by glimpse: ",
        "12 questions are about photos without boxes.",
    ):
        assert words in output
    assert "Pointing at the named objects" in (tmp_path / "out/report.html").read_text()
    assert set(content["data"]["hashes"]) == {"data.jsonl", "boxes.jsonl"}

    boxes.write_text(json.dumps(rows[0] | {"aligned": False}))
    run(data, "--boxes", boxes, "--output", tmp_path / "none")
    assert "No question names an object that has a box" in capsys.readouterr().out
    valid(tmp_path / "none")


def test_pointing_game_on_a_world(data: Path, tmp_path: Path) -> None:
    world = tmp_path / "world"
    write_world(world, 3, 0, workers=1)
    run(data, "--data", world / "questions.jsonl", "--images", world / "photos", "--output", tmp_path / "out")
    content = valid(tmp_path / "out")
    game = content["grounding"]["pointing"]
    assert game["n"] + game["left_out"] == content["n"] == 24
    assert 0 < game["uniform"] < 100


@pytest.mark.usefixtures("wordnet")
def test_wups_is_the_metric_of_daquar(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(data, "--metric", "wups", "--output", tmp_path)
    metrics = valid(tmp_path)["metrics"]
    assert metrics["exact"] <= metrics["wups_0.9"] <= metrics["wups_0.0"]
    rows, asked = read_lines(tmp_path / "records.jsonl"), read_lines(data / "data.jsonl")
    alone = [wups(row["prediction"], q["answer"], 0.9) for row, q in zip(rows, asked, strict=True)]
    assert metrics["wups_0.9"] == pytest.approx(100 * sum(alone) / len(alone), abs=0.01)
    assert "WUPS at 0.9, %" in capsys.readouterr().out
