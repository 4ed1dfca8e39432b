"""Settings from YAML and flags."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from train.fitting.settings import Data, Settings, parse
from vqa.model.errors import InputError

CONFIGS = sorted((Path(__file__).parents[3] / "train/configs").glob("*.yaml"))


def refusal(*arguments: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def test_flags_replace_defaults() -> None:
    flags = ["--data.train=[a.jsonl,b.csv]", "--optim.epochs", "3", "--model.pretrained=null", "--seed=7", "--resume"]
    settings = parse(flags)
    assert settings.data.train == ["a.jsonl", "b.csv"]
    assert (settings.optim.epochs, settings.model.pretrained, settings.seed, settings.resume) == (3, None, 7, True)
    untouched = replace(settings, data=Data(["a.jsonl", "b.csv"]), seed=1, resume=False)
    untouched.optim.epochs, untouched.model.pretrained = 15, "package"
    assert untouched == Settings(Data(["a.jsonl", "b.csv"]))


def test_flags_go_over_the_file_whatever_their_order(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("data: {train: [a.jsonl]}\nmodel: {hidden_size: 64, glimpses: 1}\nseed: 3\n")
    settings = parse(["--config", str(file), "--model.hidden_size=32"])
    assert (settings.model.hidden_size, settings.model.glimpses, settings.seed) == (32, 1, 3)
    assert not settings.resume


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_parses(config: Path) -> None:
    settings = parse(["--config", str(config)])
    assert settings.data.train
    assert settings.title != Settings(Data([])).title
    assert Path(settings.output).parts[0] == "runs"


def test_there_are_configurations() -> None:
    assert {"coco", "easy_vqa", "peer_saaa", "peer_bottom_up"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--optim.epoch=3", "optim.epoch"),  # no abbreviations either
        ("--optim.epochs=three", "three"),
        ("--optim.epochs=1.5", "1.5"),
        ("--model.recurrent_cell=transformer", "transformer"),
        ("--data.images=photos", "photos"),
        ("--fast", "--fast"),
        ("--data.holdout=1", "data.holdout is 1.0"),
        ("--data.validation_share=-0.1", "data.validation_share is -0.1"),
        ("--optim.average=1", "optim.average is 1.0"),
        ("--optim.half_life=0", "optim.half_life is 0.0"),
        ("--optim.optimizer=sgd", "sgd"),
        ("--optim.schedule=step", "step"),
        ("--optim.batch_size=0", "optim.batch_size is 0"),
        ("--optim.head_epochs=0", "optim.head_epochs is 0"),
        ("--model.hidden_size=-4", "model.hidden_size is -4"),
        ("--data.answers=0", "data.answers is 0"),
        ("--seed=-1", "seed is -1"),
        ("--seed=1048576", "seed is 1048576"),
    ],
)
def test_what_cannot_be_used_is_told(flag: str, told: str) -> None:
    assert told in refusal("--data.train=[a.jsonl]", flag)


def test_a_finished_models_words_start_from_nothing_else() -> None:
    told = refusal("--data.train=[a.jsonl]", "--start=bundled", "--data.word_vectors=package")
    assert "data.word_vectors" in told


def test_training_data_must_be_named() -> None:
    assert "data.train" in refusal()


def test_a_missing_or_broken_file_is_told(tmp_path: Path) -> None:
    assert "nowhere.yaml" in refusal("--config", str(tmp_path / "nowhere.yaml"))
    for name, content in (("list", "[1, 2]"), ("broken", "data: {train: [a"), ("typo", "data: {train: [a]}\nsed: 1")):
        file = tmp_path / f"{name}.yaml"
        file.write_text(content)
        refusal("--config", str(file))
    assert "sed" in refusal("--config", str(tmp_path / "typo.yaml"))


def test_fingerprint_leaves_out_what_does_not_decide() -> None:
    settings = Settings(Data(["a.jsonl"]))
    moved = replace(settings, output="elsewhere", resume=True, save_seconds=1.0, title="Another")
    assert moved.fingerprint() == settings.fingerprint()
    assert replace(settings, seed=2).fingerprint() != settings.fingerprint()
    assert replace(settings, data=Data(["b.jsonl"])).fingerprint() != settings.fingerprint()
    assert json.loads(json.dumps(settings.fingerprint())) == settings.fingerprint()  # as it comes back from disk
