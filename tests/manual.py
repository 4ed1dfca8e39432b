"""The folder in which a reader follows the pages: photos, questions, captions and models under the pages' names."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import pytest

from tests.pages import ROOT
from vqa.data.world import generate, write_world
from vqa.model.photos import open_photo

PHOTO = ROOT / "ui" / "static" / "examples" / "coffee.webp"
SCENES, QUESTIONS = 20, 3
CAPTIONS = ("a dog on a couch", "a cat near a lamp", "a boy with a kite", "a bus next to a tree")
TEXT_SCENES = 60  # synthetic scenes whose questions train the character models


@pytest.fixture(scope="session")
def furnished_once(tmp_path_factory: pytest.TempPathFactory, vilt: Path, tiny_checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("manual")
    open_photo(PHOTO).save(folder / "photo.jpg")
    shutil.copytree(tiny_checkpoint, folder / "runs" / "mine" / "best")
    shutil.copytree(vilt, folder / "their-folder")
    (folder / "train").symlink_to(ROOT / "train")
    world = write_world(folder / "world-of-tests", SCENES, 0, QUESTIONS, workers=1).parent
    rows = [json.loads(line) for line in (world / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row | {"answers": [row["answer"]] * 10} for row in rows]
    (world / "photos").rename(folder / "photos")
    split = SCENES * 2 // 3 * QUESTIONS
    write_rows(folder / "questions_train.jsonl", rows[:split])
    write_rows(folder / "questions_val.jsonl", rows[split:])
    with (folder / "questions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["image", "question", "answer"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    photos = [f"{i:06d}.png" for i in range(SCENES)]
    write_rows(folder / "boxes.jsonl", [{"image": p, "objects": [["cat", 0.2, 0.2, 0.5, 0.4]]} for p in photos])
    texts = [[CAPTIONS[i % 4], CAPTIONS[i // 4 % 3], f"There is {CAPTIONS[i % 4]}"] for i in range(SCENES)]
    captions = [{"image": photo, "captions": some} for photo, some in zip(photos, texts, strict=True)]
    write_rows(folder / "captions.jsonl", captions)
    write_rows(folder / "captions_val.jsonl", captions[:8])
    write_text(folder)
    write_public(folder, rows[split:])
    return folder


@pytest.fixture
def furnished(furnished_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the folder, which is the current one."""
    shutil.copytree(furnished_once, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_rows(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_text(folder: Path) -> None:
    """Questions without photos, and a plain text."""
    texts = [question.question for _, _, questions in generate(TEXT_SCENES, 1) for question in questions]
    with gzip.open(folder / "questions.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"image": f"{i}.png", "question": text}) + "\n" for i, text in enumerate(texts))
    (folder / "questions.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    shutil.copy(ROOT / "README.md", folder / "input.txt")


def write_public(folder: Path, rows: list[dict]) -> None:
    """Small data sets in the formats of VQA v2 and DAQUAR, and the predictions of another system."""
    annotated, photos = folder / "vqa-v2" / "annotations", folder / "vqa-v2" / "images" / "val2014"
    annotated.mkdir(parents=True)
    photos.mkdir(parents=True)
    questions, annotations = [], []
    for row in rows:
        number = int(Path(row["image"]).stem)
        shutil.copy(folder / "photos" / row["image"], photos / f"COCO_val2014_{number:012d}.png")
        ids = {"question_id": row["question_id"], "image_id": number}
        answers = [{"answer_id": i, "answer": row["answer"]} for i in range(1, 11)]
        questions.append(ids | {"question": row["question"]})
        annotations.append(ids | {"multiple_choice_answer": row["answer"], "answers": answers})
    for start, key, entries in (("OpenEnded_", "questions", questions), ("", "annotations", annotations)):
        content = {"data_subtype": "val2014", key: entries}
        (annotated / f"v2_{start}mscoco_val2014_{key}.json").write_text(json.dumps(content))
    theirs = [{"question_id": row["question_id"], "answer": "yes"} for row in rows]
    (folder / "theirs.json").write_text(json.dumps(theirs))
    (folder / "nyu").mkdir()
    shutil.copy(folder / "photos" / "000000.png", folder / "nyu" / "image1.png")
    (folder / "qa.894.raw.test.txt").write_text("what is on the desk in the image1 ?\nbook, lamp\n", encoding="utf-8")
