"""`vqa evaluate`, from the command line to its files."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import numpy as np
import pytest
from PIL import Image

import vqa
from train import extract_features
from vqa.cli import main
from vqa.data.examples import Example, write_jsonl
from vqa.evaluation.answers.records import Journal
from vqa.evaluation.measures.wups import wups
from vqa.model.device import fast_dtype
from vqa.model.errors import InputError

pytestmark = pytest.mark.usefixtures("no_network")
QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there?"]
ANSWERS = ["yes", "no", "two", "red", "a teddy bear", "zebra"]
PHOTOS = 6
SCHEMA = json.loads((Path(vqa.__file__).parent / "schemas/results.json").read_text())
FILES = ["official", "predictions.json", "records.jsonl", "report.html", "results.json"]
PRIORS = {"majority": "yes", "by_type": {}, "by_prefix": {"how": "2", "what color": "red"}}


class Data(NamedTuple):
    """Questions with answers, the same in the official format without them, their photos, and a checkpoint."""

    jsonl: Path
    questions: Path
    photos: Path
    model: Path

    def command(self, *more: str | Path, data: Path | None = None) -> list[str]:
        flags = ["evaluate", "--data", data or self.jsonl, "--images", self.photos, "--model", self.model, *more]
        return [str(flag) for flag in flags]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Data:
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
    names = ("data.jsonl", "questions.json", "photos", "model")
    return Data(*(folder / name for name in names))


@pytest.fixture(scope="module")
def results(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a plain run."""
    output = tmp_path_factory.mktemp("output") / "results"
    assert main(data.command("--output", output)) == 0
    return output


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def figures(output: Path) -> dict[str, Any]:
    """The results without what names the files and the state of the code."""
    left_out = ("data", "command", "environment")
    return {name: value for name, value in read(output / "results.json").items() if name not in left_out}


def refusal(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("vqa: ") and sentence.count("\n") == 1 and sentence.endswith(".\n")
    return sentence


def test_output_is_complete(results: Path) -> None:
    assert sorted(path.name for path in results.iterdir()) == FILES
    assert len(list((results / "official").iterdir())) == 5
    content = read(results / "results.json")
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    assert content["n"] == content["metrics"]["n_official"] == 3 * PHOTOS
    assert content["data"]["files"] == ["data.jsonl"] and content["data"]["n"] == 3 * PHOTOS
    assert re.fullmatch("[0-9a-f]{32}", content["data"]["hashes"]["data.jsonl"])
    assert content["baselines"]["majority"] > 50
    predictions = read(results / "predictions.json")
    assert [p["question_id"] for p in predictions] == list(range(3 * PHOTOS))
    assert all(p.keys() == {"question_id", "answer"} for p in predictions)


def test_official_files_give_the_same_figures_as_jsonl(data: Data, shared: Path, tmp_path: Path) -> None:
    official, coco, count = shared / "data/vqa-v2-official", shared / "data/coco", 30
    wanted = [q["question_id"] for q in read(official / "questions_val.json")["questions"]][:count]
    rows = [json.loads(line) for line in (coco / "questions_val.jsonl").read_text().splitlines()]
    of_id = {row["question_id"]: row | {"source": None} for row in rows if "answers" in row}  # as in official files
    file = tmp_path / "same.jsonl"
    file.write_text("".join(json.dumps(of_id[i]) + "\n" for i in wanted))
    same = ["--images", str(coco / "photos"), "--model", str(data.model)]
    pair = ["--data", str(official / "questions_val.json"), "--annotations", str(official / "annotations_val.json")]
    assert main(["evaluate", *pair, *same, "--limit", str(count), "--output", str(tmp_path / "pair")]) == 0
    assert main(["evaluate", "--data", str(file), *same, "--output", str(tmp_path / "jsonl")]) == 0
    assert figures(tmp_path / "pair") == figures(tmp_path / "jsonl")
    assert read(tmp_path / "pair/predictions.json") == read(tmp_path / "jsonl/predictions.json")
    assert figures(tmp_path / "pair")["n"] == count


def test_table_has_the_figures(data: Data, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(data.command()) == 0
    output = capsys.readouterr().out
    content = read(results / "results.json")
    for figure in (content["metrics"]["exact"], content["metrics"]["official"], *content["baselines"].values()):
        assert f"{figure:.1f}" in output
    for word in ("question", "image", "majority", "upper", "number", "other", "official"):
        assert word in output


def test_missing_photos_are_reported(data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(data.photos, tmp_path / "photos")
    (tmp_path / "photos/000000000002.png").unlink()
    (tmp_path / "photos/000000000004.png").write_bytes(b"no photo")
    arguments = data.command("--output", tmp_path / "out")
    arguments[arguments.index(str(data.photos))] = str(tmp_path / "photos")
    assert main(arguments) == 0
    assert "6 questions left out (photo), such as: " in capsys.readouterr().out
    content = read(tmp_path / "out/results.json")
    assert content["skipped"] == {"photo": 6}
    assert (content["n"], content["data"]["n"]) == (12, 18)


def test_odd_questions_and_names_are_reported(data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets are markup to what draws the table: they must come out as they are."""
    rows = [json.loads(line) for line in data.jsonl.read_text().splitlines()]
    for row in rows:
        row["source"] = "[/red]"
    rows[0]["question"] = "[/]?!"
    del rows[1]["answer"], rows[1]["answers"]
    file = tmp_path / "[bold].jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(data.command("--output", tmp_path / "[/out]", data=file)) == 0
    output = capsys.readouterr().out
    assert "1 questions left out (question), such as: question 0: The question '[/]?!' has no words" in output
    assert "1 of 18 questions have no answer to compare with, so they are not scored." in output
    assert "[/red]" in output and "[/out]" in output
    assert read(tmp_path / "[/out]/results.json")["skipped"] == {"question": 1, "answer": 1}


def test_features_and_photos_agree(data: Data, results: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    flags = [f"--pretrained={data.model}", "--backbone=tiny", "--image-size=64", "--bits=16"]
    assert extract_features.main([*flags, f"--output={store}", "--images", str(data.photos)]) == 0
    assert main(data.command("--features", store, "--output", tmp_path / "out")) == 0
    assert read(tmp_path / "out/predictions.json") == read(results / "predictions.json")
    mine, theirs = figures(tmp_path / "out"), figures(results)
    stored, seen = (content.pop("calibration") for content in (mine, theirs))
    assert stored["mean_confidence"] == pytest.approx(seen["mean_confidence"], abs=0.05)  # 16 bits were kept
    assert mine == theirs


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "nowhere.jsonl"], "nowhere.jsonl"),
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
        (["--boxes", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--boxes", "FILE"], "FILE has none of the photos of"),
        (["--boxes", "BROKEN"], "BROKEN has no 'objects'; give"),
        (
            ["--boxes", "FILE", "--predictions", "FILE"],
            "Boxes measure attention, which a file of answers does not have",
        ),
    ],
)
def test_bad_arguments_end_with_a_sentence(
    data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("")
    (tmp_path / "BROKEN").write_text('{"image": "000000000001.png"}\n')
    flags = [str(tmp_path / flag) if flag.isupper() else flag for flag in flags]
    assert message in refusal(capsys, data.command("--output", tmp_path / "out", *flags))
    assert not (tmp_path / "out").exists()


def test_questions_without_answers_are_answered_and_not_scored(
    data: Data, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(data.command("--output", tmp_path, data=data.questions)) == 0
    assert "The data holds no answers, so nothing is scored" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.json", "records.jsonl"]
    assert read(tmp_path / "predictions.json") == read(results / "predictions.json")


def test_submitted_predictions_are_scored(
    data: Data, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = results / "predictions.json"
    assert main(data.command("--predictions", theirs, "--output", tmp_path / "out")) == 0
    mine, ours = read(tmp_path / "out/results.json"), read(results / "results.json")
    assert mine["metrics"] == ours["metrics"] and mine["intervals"]["exact"] == ours["intervals"]["exact"]
    assert (mine["model"], mine["weights"]) == ("predictions.json", None)
    jsonschema.validate(mine, SCHEMA, jsonschema.Draft202012Validator)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    (tmp_path / "few.json").write_text(json.dumps(read(theirs)[:-1]))
    message = refusal(capsys, data.command("--predictions", tmp_path / "few.json", "--output", tmp_path / "none"))
    assert "has no prediction for 1 of the 18 questions" in message
    assert not (tmp_path / "none").exists()


class Killed(BaseException):
    """What no code catches."""


@pytest.mark.parametrize("killed_after", [1, 2])
def test_killed_run_is_resumed(
    data: Data,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    killed_after: int,
) -> None:
    arguments = data.command("--batch-size", "2", "--swap-photos", "--output")
    assert main([*arguments, str(tmp_path / "whole")]) == 0
    append, written = Journal.append, []

    def kill(self: Journal, batch: int, records: list) -> None:
        if len(written) == killed_after:
            raise Killed
        written.append(batch)
        append(self, batch, records)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", kill)
        with pytest.raises(Killed):
            main([*arguments, str(tmp_path / "killed")])
    assert [path.name for path in (tmp_path / "killed").iterdir()] == [".unfinished"]
    written.clear()
    monkeypatch.setattr(Journal, "append", lambda *a: (written.append(a[1]), append(*a)))
    capsys.readouterr()
    assert main([*arguments, str(tmp_path / "killed")]) == 0
    assert f"Going on after {6 * killed_after} of 18 questions." in capsys.readouterr().out
    assert written == [0, 1, 2][killed_after:]
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == FILES
    assert figures(tmp_path / "killed") == figures(tmp_path / "whole")
    for name in ("records.jsonl", "predictions.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_run_in_the_same_folder_starts_anew(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vqa.evaluation.command.results", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        main(data.command("--output", tmp_path))
    monkeypatch.undo()
    capsys.readouterr()
    assert main(data.command("--output", tmp_path, "--limit", "5")) == 0
    assert "Going on" not in capsys.readouterr().out
    assert [p["question_id"] for p in read(tmp_path / "predictions.json")] == [0, 1, 2, 3, 4]


def test_processes_give_the_same_figures(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vqa.runtimes.pytorch.fast_dtype", fast_dtype)  # as in processes, where nothing is patched
    command = data.command("--batch-size", "2", "--device", "cpu")
    for count in ("1", "2"):
        assert main([*command, "--processes", count, "--output", str(tmp_path / count)]) == 0
    assert (tmp_path / "2/records.jsonl").read_bytes() == (tmp_path / "1/records.jsonl").read_bytes()
    assert figures(tmp_path / "2") == figures(tmp_path / "1")


def test_further_measurements_are_written(data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--swap-photos", "--deletion", "6", "--robustness", "100", "--output", tmp_path]
    assert main(data.command(*flags)) == 0
    output, content = capsys.readouterr().out, read(tmp_path / "results.json")
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    assert set(content["grounding"]) == {"photo_swap", "deletion"}
    assert (content["grounding"]["deletion"]["n"], content["robustness"]["n"]) == (6, 18)
    for words in (
        "About other photos",
        "Points lost with a part covered (6 questions)",
        "Points lost on up to 18 questions",
    ):
        assert words in output


def test_pointing_at_boxes(data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"image": "000000000001.png", "objects": [["cat", 0, 0, 0.5, 0.5], ["dog", 0.5, 0.5, 0.5, 0.5]]},
        {"image": "000000000002.png", "objects": [["cat", 0.2, 0.3, 0.5, 0.5]]},
        {"image": "of other data.png", "objects": []},
    ]
    boxes = tmp_path / "boxes.jsonl"
    boxes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(data.command("--boxes", boxes, "--output", tmp_path / "out")) == 0
    output, content = capsys.readouterr().out, read(tmp_path / "out/results.json")
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    found = content["grounding"]["boxes"]
    # the cat of both photos, the dogs of the first; the other photos have no boxes
    assert (found["n"], found["left_out"], found["unknown"]) == (3, 15, 12)
    assert len(found["glimpses"]) == 2
    assert f"at a named object in {found['peak_grown']['attention']:.1f}% (glimpse by glimpse: " in output
    assert "12 questions are about photos without boxes." in output
    assert "Pointing at the named objects" in (tmp_path / "out/report.html").read_text()
    assert set(content["data"]["hashes"]) == {"data.jsonl", "boxes.jsonl"}

    boxes.write_text(json.dumps(rows[0] | {"aligned": False}))
    assert main(data.command("--boxes", boxes, "--output", tmp_path / "none")) == 0
    assert "No question names an object that has a box" in capsys.readouterr().out
    jsonschema.validate(read(tmp_path / "none/results.json"), SCHEMA, jsonschema.Draft202012Validator)


def test_pointing_game_on_a_world(data: Data, tmp_path: Path) -> None:
    from vqa.data.world import write_world

    write_world(tmp_path / "world", 3, 0, workers=1)
    arguments = ["--data", str(tmp_path / "world/questions.jsonl"), "--images", str(tmp_path / "world/photos")]
    assert main(["evaluate", *arguments, "--model", str(data.model), "--output", str(tmp_path / "out")]) == 0
    content = read(tmp_path / "out/results.json")
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    game = content["grounding"]["pointing"]
    assert game["n"] + game["left_out"] == content["n"] == 24
    assert 0 < game["uniform"] < 100


def test_wups_is_the_metric_of_daquar(data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        wups("cat", "dog", 0.9)
    except InputError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    assert main(data.command("--metric", "wups", "--output", tmp_path)) == 0
    content = read(tmp_path / "results.json")
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    metrics = content["metrics"]
    assert metrics["exact"] <= metrics["wups_0.9"] <= metrics["wups_0.0"]
    rows = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    answers = [json.loads(line)["answer"] for line in data.jsonl.read_text().splitlines()]
    alone = [wups(row["prediction"], answer, 0.9) for row, answer in zip(rows, answers, strict=True)]
    assert metrics["wups_0.9"] == pytest.approx(100 * sum(alone) / len(alone), abs=0.01)
    assert "WUPS at 0.9, %" in capsys.readouterr().out


def test_nothing_is_written_if_no_question_can_be_asked(
    data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "data.jsonl"
    write_jsonl([Example("000000000001.png", "?!", "yes", question_id=1)], file)
    assert "No question of" in refusal(capsys, data.command("--output", tmp_path / "out", data=file))
    assert not (tmp_path / "out").exists()
