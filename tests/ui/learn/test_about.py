import json
from pathlib import Path

import pytest

from ui.learn import about
from vqa.predict import VQA

MODEL = Path(__file__).resolve().parents[3] / "assets" / "model"
RESULTS = json.loads((MODEL / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bundled() -> VQA:
    return VQA.load(MODEL, device="cpu")


def test_the_text_holds_the_measured_figures(bundled):
    text = about.text(bundled)
    metrics, baselines = RESULTS["metrics"], RESULTS["baselines"]
    rows = dict(line.strip("| ").split(" | ") for line in text.splitlines() if line.endswith(" % |"))
    names = ("question_only", "image_only", "majority", "upper_bound")
    assert list(rows.values()) == [f"{value:.1f} %" for value in (metrics["exact"], *map(baselines.get, names))]
    assert f"On {RESULTS['n']:,} questions" in text
    assert len(metrics["by_answer_type"]) >= 3
    for name, value in metrics["by_answer_type"].items():
        assert f"{name} {value:.1f} %" in text
    assert f"Official VQA accuracy {metrics['official']:.1f} % on {metrics['n_official']:,} of them." in text
    assert f"Its confidence is off by {RESULTS['calibration']['ece']:.1f} points on average." in text
    labels = json.loads((MODEL / "config.json").read_text(encoding="utf-8"))["id2label"]
    assert f"**{len(labels):,} answers**" in text and about.not_sure(bundled.config.sure) in text
    assert "{" not in text and "None" not in text


def test_a_model_that_was_not_measured_says_so(vqa):
    text = about.text(vqa)
    assert "This model was not measured." in text
    assert "**5 answers**" in text
    assert " % |" not in text and "{" not in text


def test_what_was_not_measured_is_left_out():
    found = about.figures({"n": 12345, "data": {}, "metrics": {"exact": 50.04}, "baselines": {"majority": None}})
    assert [line for line in found.splitlines() if "%" in line] == ["| the model | 50.0 % |"]
    assert "On 12,345 questions" in found
    assert not any(word in found for word in ("None", "Official", "confidence"))


def test_it_says_when_an_answer_is_not_sure():
    assert about.not_sure({}) == "Below 33% it says 'not sure'."
    assert about.not_sure({"yes/no": 0.7, "number": 1.0}) == (
        "It says 'not sure' if the confidence is too low: for yes and no below 70%, for numbers always, for other "
        "answers below 33%."
    )
