"""The model card says what results.json says."""

import json
from typing import Any

import pytest
import yaml

from vqa.card import skipped, table


@pytest.fixture(scope="module")
def card(fitted: Any) -> str:
    return (fitted.folder / "best/README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(fitted: Any) -> dict[str, Any]:
    return json.loads((fitted.folder / "best/results.json").read_text())


def rows(markdown: str) -> dict[str, dict[str, str]]:
    """Of the first table in `markdown`: first cell to column to cell."""
    lines = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    head, *body = lines
    assert all(len(line) == len(head) for line in body)
    return {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in body}


def test_the_table_holds_the_figures(card: str, results: dict[str, Any]) -> None:
    tables = results["tables"]
    expected = {"all": tables["overall"], **tables["by_answer_type"], **tables["by_source"]}
    shown = rows(card)
    assert shown.keys() == expected.keys()
    for name, cells in shown.items():
        assert cells.pop("n") == f"{expected[name]['n']:,}"
        assert {"model", "question_only", "image_only", "majority", "upper_bound"} <= cells.keys()
        assert cells == {column: f"{expected[name][column]:.1f}" for column in cells}


def test_the_card_has_front_matter_and_no_gap(card: str, results: dict[str, Any]) -> None:
    front = yaml.safe_load(card.split("---")[1])
    assert front["pipeline_tag"] == "visual-question-answering" and front["license"] == "apache-2.0"
    assert f"{results['calibration']['ece']}% ({results['calibration']['ece_before']}% before" in card
    assert "Official VQA accuracy" not in card  # there are no ten answers in this world
    assert "Left out" not in card
    for gap in ("None", "nan", "{", "}"):
        assert gap not in card


def test_the_table_of_a_model_without_priors() -> None:
    figures = {"n": 1234, "model": 12.34, "blind_head": 1.0, "image_only": 2.0, "upper_bound": 99.96}
    shown = table({"overall": figures, "by_answer_type": {"other": figures}, "by_source": {}})
    expected = {"n": "1,234", "model": "12.3", "image_only": "2.0", "upper_bound": "100.0"}
    assert rows(shown) == {"all": expected, "other": expected}


def test_what_was_left_out_is_told() -> None:
    assert skipped({"skipped": {}}) == ""
    assert "3 questions (photo), 1 questions (answer)" in skipped({"skipped": {"photo": 3, "answer": 1}})
