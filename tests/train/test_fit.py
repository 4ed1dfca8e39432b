"""Training from end to end, on a small drawn world."""

import itertools
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.fitted import SCENES, Flags
from tests.train.killed import killed
from tests.train.refused import refused
from train import extract_features
from train.fit import main
from train.fitting.prepare import prepare
from train.fitting.settings import parse
from train.fitting.state import Average
from vqa.model.image_encoder import ImageEncoder
from vqa.predict import VQA


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_run_leaves_a_complete_checkpoint(fitted: Any, world: Path) -> None:
    best = fitted.folder / "best"
    files = {"README.md", "config.json", "model.safetensors", "priors.json", "processor_config.json", "results.json"}
    assert {path.name for path in best.iterdir()} >= files | {"tokenizer.json", "training.json"}
    vqa = VQA.load(best)
    answer = vqa.ask(world / "photos/000003.png", "what color is the square?")
    assert answer.text in vqa.answers and answer.attention.shape == (2, 8, 8)
    assert vqa.config.temperature == read(best / "results.json")["calibration"]["temperature"] != 1.0
    assert read(best / "training.json")["optim"]["epochs"] == 3


def test_the_loss_falls_and_the_encoder_and_the_heads_learned(fitted: Any, flags: Flags, tmp_path: Path) -> None:
    first, second, third = map(float, re.findall(r"model \d/3: loss ([\d.]+)", fitted.printed))
    assert first > second > third
    before = prepare(parse(flags(tmp_path))).net.state_dict()
    after = load_file(fitted.folder / "best/model.safetensors")
    names = ("image_encoder.cnn.0.weight", "blind_head.3.weight", "image_only_head.3.weight", "answer_head.1.weight")
    for name in names:
        assert (before[name] - after[name].float()).abs().max() > 1e-3, name


def test_a_mean_of_runs_that_says_yes_less_often(fitted: Any, world: Path, tmp_path: Path) -> None:
    """Nothing is trained, and of the mean only the row of yes changes."""
    best, names = fitted.folder / "best", [f"{i:06d}.png" for i in range(SCENES)]
    rows = [{"image": n, "question": "Is there a cat?", "answer": "no", "question_type": "presence"} for n in names]
    (tmp_path / "extra.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"train": world / "questions.jsonl", "images": world / "photos", "extra": tmp_path / "extra.jsonl"}
    flags = [f"--data.{name}=[{path}]" for name, path in data.items()]
    flags += ["--data.holdout=0.2", "--data.validation_share=0.2", "--data.min_word_count=1000"]
    flags += [f"--start={best}", f"--average=[{best},{best}]", "--optim.presence_offset=0.5"]
    assert main([*flags, f"--output={tmp_path}/run"]) == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (best, tmp_path / "run/best"))
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["answer_head.1.bias", "answer_head.1.weight"]
    yes = VQA.load(best).answers.index("yes")
    for name in changed:
        assert torch.equal(before[name][:yes], after[name][:yes])
        assert torch.equal(before[name][yes + 1 :], after[name][yes + 1 :])
    assert not torch.equal(before[changed[1]][yes], after[changed[1]][yes])


def assert_same_files(one: Path, other: Path, names: Sequence[str]) -> None:
    assert [name for name in names if (one / name).read_bytes() != (other / name).read_bytes()] == []


def at(task: str, epoch: int, step: int) -> Callable[[dict], bool]:
    """Whether a saved state is that of this step."""
    return lambda facts: (facts["task"], facts["epoch"], facts["step"]) == (task, epoch, step)


def test_a_run_interrupted_in_every_task_ends_in_the_same_weights(fitted: Any, flags: Flags, tmp_path: Path) -> None:
    arguments = flags(tmp_path / "run")
    # the second of the model's: all steps of the epoch are done, but its weights are not scored yet
    kills = [("text", 0, 1), ("model", 0, 2), ("model", 0, 5), ("model", 1, 3), ("heads", 0, 1), ("heads", 1, 4)]
    for step in kills:
        with killed(at(*step)):
            assert main(arguments) == 130
        assert at(*step)(read(tmp_path / "run/last/state.json"))
        arguments = flags(tmp_path / "run", "--resume")
    assert main(arguments) == 0
    files = ("text.safetensors", "model.safetensors", "heads.safetensors", "best/model.safetensors")
    assert_same_files(tmp_path / "run", fitted.folder, files)
    mine, theirs = (read(folder / "best/results.json") for folder in (tmp_path / "run", fitted.folder))
    assert mine | {"environment": None} == theirs | {"environment": None}  # the revision may have changed meanwhile
    assert main(arguments) == 0  # a finished run stays as it is
    assert_same_files(tmp_path / "run", fitted.folder, files)


def test_steps_after_the_last_save_are_done_again(fitted: Any, flags: Flags, tmp_path: Path) -> None:
    update, steps = Average.update, itertools.count(1)

    def kill(self: Average, step: int) -> None:
        if next(steps) == 10:  # two of the text, five of the model's first epoch, three of its second
            raise KeyboardInterrupt
        update(self, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Average, "update", kill)
        assert main(flags(tmp_path / "run")) == 130
    assert at("model", 1, 0)(read(tmp_path / "run/last/state.json"))
    assert main(flags(tmp_path / "run", "--resume")) == 0
    assert_same_files(tmp_path / "run", fitted.folder, ("model.safetensors", "best/model.safetensors"))


def test_another_seed_gives_other_weights(fitted: Any, flags: Flags, tmp_path: Path) -> None:
    """That the same seed gives the same ones is tested with the interrupted run."""
    assert main(flags(tmp_path / "run", "--seed=2")) == 0
    weights, results = "best/model.safetensors", "best/results.json"
    assert (fitted.folder / weights).read_bytes() != (tmp_path / "run" / weights).read_bytes()
    assert read(fitted.folder / results)["tables"] != read(tmp_path / "run" / results)["tables"]


def test_runs_are_not_mixed(fitted: Any, flags: Flags) -> None:
    assert "holds a run already; add --resume" in refused(main, *flags(fitted.folder))
    assert "other settings of 'optim'" in refused(main, *flags(fitted.folder, "--resume", "--optim.rate=0.02"))
    assert "There is no state to resume" in refused(main, *flags(fitted.folder / "new", "--resume"))


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--data.holdout=0.001", "No question is left to hold out"),
        ("--data.holdout=0.999", "No question is left to train on"),
        ("--data.validation_share=0", "No question is left to validate on"),
        ("--optim.presence_offset=0.3", "requires questions about the training photos"),
        ("--data.images=[a,b]", "1 files of questions"),
        ("--data.train=[nowhere.jsonl]", "nowhere.jsonl"),
        ("--data.validation=[nowhere.jsonl]", "nowhere.jsonl"),  # before anything is trained
        ("--data.features=nowhere", "no feature store in nowhere"),
        ("--model.backbone=tinny", "tinny"),
        ("--model.attention=hard", "glimpses"),
    ],
)
def test_bad_settings_are_reported_in_one_sentence(flags: Flags, tmp_path: Path, flag: str, message: str) -> None:
    assert message in refused(main, *flags(tmp_path / "run", flag))
    assert not (tmp_path / "run/last").exists()


def test_questions_that_cannot_be_learned_are_counted(flags: Flags, world: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (world / "questions.jsonl").read_text().splitlines()]
    for row in rows[:3]:
        row["image"] = "nowhere.png"
    rows[4]["question"], rows[5]["question"] = "???", "why " * 100
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepared = prepare(parse(flags(tmp_path / "run", f"--data.train=[{file}]")))
    printed = "\n".join(prepared.messages)
    assert f"3 of 240 questions of {file} left out: their photo is missing." in printed
    assert f"2 of 237 questions of {file} left out: they have no words, or too many." in printed
    assert len(prepared.train) + len(prepared.holdout) + len(prepared.validation) == 235


def test_a_folder_without_the_photos_is_reported(flags: Flags, tmp_path: Path) -> None:
    assert f"is in {tmp_path}" in refused(main, *flags(tmp_path / "run", f"--data.images=[{tmp_path}]"))


def test_no_photo_is_in_two_splits_or_in_the_text_of_another(flags: Flags, tmp_path: Path) -> None:
    """Each row of the text names its photo, so that a leak is a further word in the vocabulary."""
    prepared = prepare(parse(flags(tmp_path)))
    validated = {example.image for example in prepared.validation}
    splits = [set(prepared.train.photos), set(prepared.holdout.photos), validated]
    assert [len(split) for split in splits] == [38, 10, 12] and len(set.union(*splits)) == 60
    words = {word for word in prepared.processor.tokenizer.get_vocab() if word.startswith("scene")}
    assert words == {f"scene{int(Path(photo).stem)}" for photo in prepared.train.photos}
    assert prepared.text is not None and len(prepared.text) == 38


def extract(photos: Path, store: Path, encoder: Path) -> None:
    flags = ["--backbone=tiny", f"--pretrained={encoder}", "--image-size=64", f"--output={store}"]
    assert extract_features.main([*flags, "--images", str(photos)]) == 0


def save_encoder(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    save_file(ImageEncoder("tiny", 64).state_dict(), path)
    return path


def test_training_reads_a_feature_store(flags: Flags, world: Path, tmp_path: Path) -> None:
    encoder, second = (save_encoder(tmp_path / f"encoder{seed}.safetensors", seed) for seed in (1, 2))
    store = tmp_path / "store"
    extract(world / "photos", store, encoder)
    stored = flags(tmp_path / "run", f"--data.features={store}", "--data.text=null", "--optim.epochs=1")
    assert main([*stored, f"--model.pretrained={encoder}"]) == 0
    results = read(tmp_path / "run/best/results.json")
    assert results["n"] == 48 and not results["skipped"]
    kept = load_file(tmp_path / "run/best/model.safetensors")
    for name, value in load_file(encoder).items():  # an encoder whose grids are stored stays as it is
        assert torch.equal(kept[f"image_encoder.{name}"], value.half() if value.is_floating_point() else value)
    other = flags(tmp_path / "other", f"--data.features={store}", f"--model.pretrained={second}")
    assert "was made with weights" in refused(main, *other)


def test_a_store_that_lacks_photos_is_reported_before_training(flags: Flags, world: Path, tmp_path: Path) -> None:
    """Also those of the validation questions, which are only read at the end."""
    validated = sorted({Path(e.image).name for e in prepare(parse(flags(tmp_path / "run"))).validation})
    shutil.copytree(world / "photos", tmp_path / "photos", ignore=shutil.ignore_patterns(*validated[:2]))
    encoder, store = save_encoder(tmp_path / "encoder.safetensors", 1), tmp_path / "store"
    extract(tmp_path / "photos", store, encoder)
    printed = refused(main, *flags(tmp_path / "run", f"--data.features={store}", f"--model.pretrained={encoder}"))
    assert "lacks 2 of 12 photos" in printed and "run train.extract_features" in printed


def test_a_model_learns_from_teachers_of_its_encoder(fitted: Any, flags: Flags, world: Path, tmp_path: Path) -> None:
    teacher, store = fitted.folder / "best", tmp_path / "store"
    extract(world / "photos", store, teacher)
    few = [f"--data.features={store}", f"--model.pretrained={teacher}", "--optim.epochs=1"]
    weights = {}
    for trust in ("0", "0.5"):
        distilled = flags(tmp_path / trust, *few, f"--teachers=[{teacher}]", f"--optim.trust={trust}")
        assert main(distilled) == 0
        weights[trust] = load_file(tmp_path / trust / "best/model.safetensors")["answer_head.1.weight"]
    assert main(flags(tmp_path / "alone", *few)) == 0
    alone = load_file(tmp_path / "alone/best/model.safetensors")["answer_head.1.weight"]
    assert torch.equal(weights["0"], alone) and not torch.equal(weights["0.5"], alone)
    other = flags(tmp_path / "other", *few, f"--teachers=[{teacher}]", "--data.answers=3")
    assert "has other answers than the model" in refused(main, *other)


def test_a_model_learns_from_a_teacher_of_another_photo_size(fitted: Any, flags: Flags, tmp_path: Path) -> None:
    teacher = f"--teachers=[{fitted.folder / 'best'}]"
    few = ["--model.image_size=96", "--optim.epochs=1"]
    assert main(flags(tmp_path / "alone", *few)) == 0
    assert main(flags(tmp_path / "distilled", *few, teacher)) == 0
    alone, distilled = (load_file(tmp_path / name / "best/model.safetensors") for name in ("alone", "distilled"))
    assert not torch.equal(alone["answer_head.1.weight"], distilled["answer_head.1.weight"])
