"""What the README takes for granted: photos, questions, captions and models under the names that it uses."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import pytest

from tests.pages import ROOT
from vqa import cli
from vqa.data.readers.text_files import json_rows
from vqa.data.world import generate, write_world
from vqa.model.photos import open_photo

PHOTO = "coffee.png"  # of scikit-image, CC0
SCENES, QUESTIONS = 24, 3
CAPTIONS = ("a dog on a couch", "a cat near a lamp", "a boy with a kite", "a bus next to a tree")
TEXTS = 60  # drawn scenes whose questions the models of characters learn from


def furnish(folder: Path, foreign: Path, small: Path) -> None:
    """Put everything into an empty folder; foreign: a model of others, small: one of ours."""
    import skimage

    open_photo(Path(skimage.__file__).parent / "data" / PHOTO).save(folder / "photo.jpg")
    shutil.copytree(ROOT / "assets" / "model", folder / "runs" / "mine" / "best")
    shutil.copytree(foreign, folder / "their-folder")
    shutil.copytree(small, folder / "small")
    world = write_world(folder / "world-of-tests", SCENES, 0, QUESTIONS, workers=1).parent
    rows = [row | {"answers": [row["answer"]] * 10} for row, _ in json_rows(world / "questions.jsonl")]
    (world / "photos").rename(folder / "photos")
    split = SCENES * 2 // 3 * QUESTIONS
    write_rows(folder / "questions_train.jsonl", rows[:split])
    write_rows(folder / "questions_val.jsonl", rows[split:])
    with (folder / "questions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["image", "question", "answer"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    texts(folder)
    captions = [
        {"image": f"{i:06d}.png", "captions": [CAPTIONS[i % 4], CAPTIONS[i // 4 % 3], f"There is {CAPTIONS[i % 4]}"]}
        for i in range(SCENES)
    ]
    write_rows(folder / "captions.jsonl", captions)
    write_rows(folder / "captions_val.jsonl", captions[:8])
    others(folder, rows[split:])


def write_rows(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def texts(folder: Path) -> None:
    """Questions without photos, and a text."""
    asked = [(i, question.question) for i, (_, _, found) in enumerate(generate(TEXTS, 1)) for question in found]
    with gzip.open(folder / "questions.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"image": f"{i}.png", "question": question}) + "\n" for i, question in asked)
    (folder / "questions.txt").write_text("".join(f"{question}\n" for _, question in asked), encoding="utf-8")
    shutil.copy(ROOT / "README.md", folder / "input.txt")


def others(folder: Path, rows: list[dict]) -> None:
    """VQA v2 and DAQUAR in small, the answers of another system, and an evaluation to compare with."""
    official = folder / "vqa-v2"
    (official / "annotations").mkdir(parents=True)
    photos = official / "images" / "val2014"
    photos.mkdir(parents=True)
    questions, annotations = [], []
    for row in rows:
        number = int(Path(row["image"]).stem)
        shutil.copy(folder / "photos" / row["image"], photos / f"COCO_val2014_{number:012d}.png")
        both = {"question_id": row["question_id"], "image_id": number}
        questions.append(both | {"question": row["question"]})
        answers = [{"answer_id": i, "answer": row["answer"]} for i in range(1, 11)]
        annotations.append(both | {"multiple_choice_answer": row["answer"], "answers": answers})
    for name, key, entries in (
        ("v2_OpenEnded_mscoco_val2014_questions", "questions", questions),
        ("v2_mscoco_val2014_annotations", "annotations", annotations),
    ):
        content = {"data_subtype": "val2014", key: entries}
        (official / "annotations" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    theirs = [{"question_id": row["question_id"], "answer": "yes"} for row in rows]
    (folder / "theirs.json").write_text(json.dumps(theirs), encoding="utf-8")
    (folder / "nyu").mkdir()
    shutil.copy(folder / "photos" / "000000.png", folder / "nyu" / "image1.png")
    (folder / "qa.894.raw.test.txt").write_text("what is on the desk in the image1 ?\nbook, lamp\n", encoding="utf-8")
    asked = ["evaluate", "--data", str(folder / "questions.csv"), "--images", str(folder / "photos")]
    assert cli.main([*asked, "--output", str(folder / "other")]) == 0


@pytest.fixture
def furnished(tmp_path: Path, vilt: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    furnish(tmp_path, vilt, tiny_checkpoint)
    monkeypatch.chdir(tmp_path)
    return tmp_path
