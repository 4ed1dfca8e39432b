"""Settings from YAML and flags."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.refusal import refusal
from train.fitting.settings import Data, Settings, parse

CONFIGS = sorted((Path(__file__).parents[3] / "train/configs").glob("*.yaml"))


def test_flags_replace_defaults() -> None:
    flags = ["--data.train=[a.jsonl,b.csv]", "--optim.epochs", "3", "--model.pretrained=null", "--seed=7", "--resume"]
    settings = parse(flags)
    assert settings.data.train == ["a.jsonl", "b.csv"]
    assert (settings.optim.epochs, settings.model, settings.seed, settings.resume) == (3, {"pretrained": None}, 7, True)
    untouched = replace(settings, data=Data(["a.jsonl", "b.csv"]), seed=1, resume=False, model={})
    untouched.optim.epochs = 15
    assert untouched == Settings(Data(["a.jsonl", "b.csv"]))


def test_flags_go_over_the_file_whatever_their_order(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("data: {train: [a.jsonl]}\nmodel: {hidden_size: 64, glimpses: 1}\nseed: 3\n")
    settings = parse(["--config", str(file), "--model.hidden_size=32"])
    assert (settings.model, settings.seed, settings.resume) == ({"hidden_size": 32, "glimpses": 1}, 3, False)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_parses(config: Path) -> None:
    settings = parse(["--config", str(config)])
    assert settings.data.train and settings.title != Settings(Data([])).title
    assert Path(settings.output).parts[0] == "runs"


@pytest.mark.parametrize(
    ("flag", "expected"),
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
        ("--optim.half_life=-1", "optim.half_life is -1.0"),
        ("--model.hiden_size=64", "hiden_size"),
        ("--model.hidden_size=3.5", "3.5"),
        ("--model.vocab_size=9", "vocab_size"),
        ("--optim.optimizer=sgd", "sgd"),
        ("--optim.batch_size=0", "optim.batch_size is 0"),
        ("--optim.head_epochs=0", "optim.head_epochs is 0"),
        ("--model.hidden_size=-4", "model.hidden_size is -4"),
        ("--data.answers=0", "data.answers is 0"),
        ("--start=bundled --model.hidden_size=64", "settings of model"),
        ("--seed=-1", "seed is -1"),
        ("--seed=1048576", "seed is 1048576"),
    ],
)
def test_unusable_settings_are_reported(flag: str, expected: str) -> None:
    assert expected in refusal(parse, ["--data.train=[a.jsonl]", *flag.split()])


def test_a_missing_or_broken_file_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    assert "run.yaml" in refusal(parse, ["--config", str(file)]) and "data.train" in refusal(parse, [])
    for content, expected in (("[1, 2]", ""), ("data: {train: [a", ""), ("data: {train: [a]}\nsed: 1", "sed")):
        file.write_text(content)
        assert expected in refusal(parse, ["--config", str(file)])


def test_the_fingerprint_has_only_what_determines_the_result() -> None:
    settings = Settings(Data(["a.jsonl"]))
    moved = replace(settings, output="elsewhere", resume=True, title="Another")
    assert moved.fingerprint() == settings.fingerprint()
    assert replace(settings, seed=2).fingerprint() != settings.fingerprint()
    assert replace(settings, data=Data(["b.jsonl"])).fingerprint() != settings.fingerprint()
    assert json.loads(json.dumps(settings.fingerprint())) == settings.fingerprint()  # as it comes back from disk
