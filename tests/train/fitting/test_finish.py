"""The finished checkpoint: what it says of itself is true."""

import json
import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import torch

from train.fitting import finish
from train.fitting.prepare import CALIBRATION, prepare, split_by_photo
from train.fitting.settings import parse
from vqa.data.examples import Example, reference
from vqa.evaluation.answers.scores import Answered
from vqa.evaluation.measures.statistics import fit_temperature
from vqa.model.configuration import VQAConfig
from vqa.model.text import temperature_for
from vqa.predict import VQA

ROOT = Path(__file__).parents[3]
Results = dict[str, Any]
Asked = list[tuple[Example, str, float]]  # example, answer, confidence


@pytest.fixture(scope="module")
def results(fitted: Any) -> Results:
    return json.loads((fitted.folder / "best/results.json").read_text())


@pytest.fixture(scope="module")
def validation(flags: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    return prepare(parse(flags(tmp_path_factory.mktemp("again")))).validation


@pytest.fixture(scope="module")
def asked(fitted: Any, validation: list[Example]) -> Asked:
    """Each validation question asked by itself."""
    model = VQA.load(fitted.folder / "best")
    answers = [model.ask(example.image, example.question) for example in validation]
    return [(e, answer.text, answer.confidence) for e, answer in zip(validation, answers, strict=True)]


def naive_ece(pairs: list[tuple[float, bool]]) -> float:
    """In percent, over 15 bins, as a loop."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in pairs:
        bins[min(int(confidence * 15), 14)].append((confidence, right))
    gaps = [abs(sum(c for c, _ in inside) - sum(r for _, r in inside)) for inside in bins.values()]
    return 100 * sum(gaps) / len(pairs)


def test_results_follow_their_schema(fitted: Any, results: Results) -> None:
    """The checkpoint holds what its own evaluation needs: `vqa evaluate` finds the same baselines."""
    schema = json.loads((ROOT / "vqa/schemas/results.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(results)
    assert (results["model"], results["seed"]) == ("A Glimpse model", 1)
    priors = json.loads((fitted.folder / "best/priors.json").read_text())
    assert set(priors) == {"majority", "by_type", "by_prefix"}
    assert all(results["baselines"][name] is not None for name in ("majority", "question_only", "image_only"))
    assert results["baselines"]["upper_bound"] >= results["metrics"]["exact"]


def test_figures_are_those_of_asking_one_by_one(results: Results, asked: Asked, fitted: Any) -> None:
    right = [answer == reference(example) for example, answer, _ in asked]
    assert results["metrics"]["exact"] == pytest.approx(100 * sum(right) / len(right), abs=0.006)
    predictions = json.loads((fitted.folder / "predictions.json").read_text())
    assert len(predictions) == len(asked) == results["n"] == results["data"]["n"] == 48
    assert {p["question_id"]: p["answer"] for p in predictions} == {e.question_id: a for e, a, _ in asked}


def test_calibration_is_reported_on_other_photos(results: Results, asked: Asked, validation: list[Example]) -> None:
    calibrating, reporting = split_by_photo(validation, 0.5, CALIBRATION)
    assert not {e.image for e in calibrating} & {e.image for e in reporting}
    calibration = results["calibration"]
    assert (calibration["fitted_on"], calibration["reported_on"]) == (len(calibrating), len(reporting)) == (24, 24)
    reported = {example.question_id for example in reporting}
    pairs = [(c, answer == reference(e)) for e, answer, c in asked if e.question_id in reported]
    assert calibration["ece"] == pytest.approx(naive_ece(pairs), abs=0.02)


def test_the_temperatures_are_those_of_the_other_half(results: Results, fitted: Any, validation: list[Example]) -> None:
    calibrating, _ = split_by_photo(validation, 0.5, CALIBRATION)
    model = VQA.load(fitted.folder / "best")
    grid = torch.cat([model.look(example.image).grid for example in calibrating])
    outputs = model.logits(grid, [e.question for e in calibrating], torch.arange(len(calibrating)))
    whole, blind = map(torch.as_tensor, outputs[:2])
    right = torch.zeros_like(whole)
    for row, example in enumerate(calibrating):
        answer = reference(example)
        if answer in model.answers:
            right[row, model.answers.index(answer)] = 1.0
    calibration = results["calibration"]
    pair = calibration["temperature"], calibration["temperature_slope"]
    assert pair == pytest.approx(fit_temperature(whole, right), rel=0.02, abs=0.02)
    assert calibration["blind_temperature"] == pytest.approx(fit_temperature(blind, right, False)[0], rel=0.02)
    assert model.config.blind_temperature == results["calibration"]["blind_temperature"]


def test_yes_and_no_are_calibrated_apart_where_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    names, count = ["yes", "no", "2", "red"], 3 * finish.FEWEST
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(count, 4, generator=generator)
    said = torch.multinomial(true.softmax(1), 1, generator=generator).squeeze(1)
    right = torch.nn.functional.one_hot(said, 4).float()
    closed = true.argmax(1) < 2
    logits = true * torch.where(closed, 4.0, 1.5)[:, None]  # too sure of all, of yes and no by far
    done = [
        SimpleNamespace(example=Example("", "", names[answer]), logits=(row.numpy(), row.numpy() / 2))
        for answer, row in zip(said, logits, strict=True)
    ]
    found = finish.temperatures(names, done)
    for name, chosen, expected in (("temperature", ~closed, 1.5), ("yes_no_temperature", closed, 4)):
        pair = found[name], found[f"{name}_slope"]
        assert pair == fit_temperature(logits[chosen], right[chosen])
        p = float(logits[chosen].softmax(-1).amax(1).mean())
        assert pair[0] * math.exp(pair[1] * (p - 0.5)) == pytest.approx(expected, rel=0.4)
    assert found["blind_temperature"] == fit_temperature(logits / 2, right, adaptive=False)[0]
    monkeypatch.setattr(finish, "FEWEST", count)
    few = finish.temperatures(names, done)
    assert (few["temperature"], few["yes_no_temperature"]) == (fit_temperature(logits, right)[0], None)


def test_a_model_that_does_not_look_has_one_temperature() -> None:
    names = ["yes", "no", "2", "red"]
    logits = torch.randn(3 * finish.FEWEST, len(names), generator=torch.Generator().manual_seed(0))
    done = [
        SimpleNamespace(example=Example("", "", names[i % 4]), logits=(row.numpy(), row.numpy()))
        for i, row in enumerate(logits)
    ]
    config = VQAConfig(id2label=dict(enumerate(names)), **finish.temperatures(names, done))
    assert all(temperature_for(config, name, 0.9) == config.blind_temperature for name in names)


def test_thresholds_are_chosen_for_each_kind_at_the_calibrated_confidence() -> None:
    """Of answers whose confidence is the probability of being right, those above about 0.5 are right in 3 of 4."""
    names, count, generator = ["yes", "red", "2"], 1500, torch.Generator().manual_seed(0)
    config = VQAConfig(id2label=dict(enumerate(names)), temperature=2.0, yes_no_temperature=0.5)
    done = []
    for i in range(count):
        kind, p = i % 2, 1 / 3 + 2 / 3 * float(torch.rand(1, generator=generator))
        logits = torch.full((3,), (1 - p) / 2).scatter(0, torch.tensor(kind), p).log() * (0.5, 2.0)[kind]
        right = float(torch.rand(1, generator=generator)) < (p if kind else 1.0)  # yes is always right
        example = Example("", "", names[kind] if right else "else")
        done.append(Answered(i, example, names[kind], logits=(logits.numpy(), logits.numpy())))
    found = finish.thresholds(config, done)
    assert 0.5 < found["other"] < 0.65
    assert found["yes/no"] == pytest.approx(1 / 3, abs=0.01)  # all of them
    assert found["number"] == 1.0  # none was given


def test_what_is_sure_is_reported_on_photos_that_chose_no_threshold(results: Results, fitted: Any) -> None:
    config = json.loads((fitted.folder / "best/config.json").read_text())
    assert config["sure"] == results["calibration"]["thresholds"] == {"yes/no": 1.0, "number": 1.0, "other": 1.0}
    assert results["sure"]["all"] == {"n": 24, "sure": 0, "right": None}  # 24 others are too few to choose on
    assert sum(results["sure"].get(kind, {"n": 0})["n"] for kind in config["sure"]) == 24
