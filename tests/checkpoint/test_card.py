import json
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.data.refusal import refusal
from vqa.checkpoint.card import POINTING, count_parameters, looking, model_card, skipped, slug, stated, table
from vqa.checkpoint.load import load_checkpoint


@pytest.fixture(scope="module")
def card(fitted: Any) -> str:
    return (fitted.folder / "best/README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(fitted: Any) -> dict[str, Any]:
    return json.loads((fitted.folder / "best/results.json").read_text())


def rows(markdown: str) -> dict[str, dict[str, str]]:
    """Of the first table in `markdown`: first cell to column to cell."""
    started = dropwhile(lambda line: not line.startswith("|"), markdown.splitlines())
    lines = [line.strip("| ").split(" | ") for line in takewhile(lambda line: line.startswith("|"), started)]
    head, _, *body = lines
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


def test_the_card_has_no_gap(card: str, results: dict[str, Any]) -> None:
    assert f"{results['calibration']['ece']}% ({results['calibration']['ece_before']}% before" in card
    # there are no ten answers in this world
    for gap in ("Official VQA accuracy", "Left out", "None", "nan", "{", "}"):
        assert gap not in card


def test_the_hub_reads_the_figures(card: str, results: dict[str, Any]) -> None:
    data: Any = ModelCard(card).data
    assert (data.pipeline_tag, data.library_name) == ("visual-question-answering", "transformers")
    assert (data.language, data.license) == ("en", "apache-2.0")
    assert {"glimpse", "custom_code"} <= set(data.tags)
    assert data.model_name == results["model"]
    found = {(result.dataset_name, result.metric_type): result.metric_value for result in data.eval_results}
    metrics = results["metrics"]
    by_source = {(source, "accuracy"): value for source, value in metrics["by_source"].items()}
    assert found == {("questions.jsonl", "accuracy"): metrics["exact"], **by_source}
    assert data.datasets == sorted(metrics["by_source"])


def test_a_card_without_figures_says_so(tiny_checkpoint: Path) -> None:
    card: Any = ModelCard(model_card(tiny_checkpoint, tags=["dogs", "glimpse"]))
    assert card.data.eval_results is None and "It has not been evaluated" in card.text
    assert card.data.tags.count("glimpse") == 1 and "dogs" in card.data.tags
    net, _ = load_checkpoint(tiny_checkpoint)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    assert f"{parameters / 1e6:.1f} million parameters" in card.text and "at 16 bits" in card.text
    assert count_parameters(tiny_checkpoint / "model.safetensors") == parameters


@pytest.mark.parametrize("content", ['{"n": 1}', "{", '{"model": "x", "metrics": {}}'])
def test_missing_figures_are_reported(folder: Path, content: str) -> None:
    (folder / "results.json").write_text(content)
    assert "has not the figures that a model card needs" in refusal(model_card, folder)


def test_names_as_the_hub_writes_them() -> None:
    assert [*map(slug, ("VQA v2", "a/b_c.json", "é"))] == ["vqa-v2", "a-b_c.json", "questions"]


def test_the_table_of_a_model_without_priors() -> None:
    figures = {"n": 1234, "model": 12.34, "blind_head": 1.0, "image_only": 2.0, "upper_bound": 99.96}
    shown = table({"overall": figures, "by_answer_type": {"other": figures}, "by_source": {}})
    expected = {"n": "1,234", "model": "12.3", "image_only": "2.0", "upper_bound": "100.0"}
    assert rows(shown) == {"all": expected, "other": expected}


def test_the_use_of_the_photo_is_reported() -> None:
    def measures(start: float) -> dict[str, Any]:
        common = {"middle": 60.0, "even": 20.0, "interval": [1.0, 2.0], "above_middle_interval": [3.0, 4.0]}
        shares = dict(zip(("peak_grown", "peak", "mass"), (start, start + 1, start + 2), strict=True))
        return {name: common | {"attention": a, "above_middle": a - 60} for name, a in shares.items()}

    boxes = {"n": 1234, "left_out": 5, "unknown": 0, **measures(70), "glimpses": [measures(50), measures(80)]}
    shown = rows(looking({"boxes": boxes}))
    assert list(shown) == [f"{of}{name}" for of in ("", "glimpse 1: ", "glimpse 2: ") for name in POINTING]
    assert list(shown["glimpse 1: peak in a box"].values()) == ["51.0", "60.0", "20.0", "-9.0", "3.0 to 4.0"]
    assert "1,234 questions" in looking({"boxes": boxes})
    assert looking({}) == looking({"boxes": boxes | {"n": 0}}) == ""
    swap = {"exact": 20.0, "drop": 17.04, "interval": [15.0, 19.0]}
    cover = {"centre_confidence_excess": 3.21, "centre_confidence_interval": [2.0, 4.0]}
    card = looking({"photo_swap": swap, "deletion": cover})
    assert "17.0 points are lost (95% 15.0 to 19.0)" in card and "by 3.2 points" in card and "(95% 2.0 to 4.0)" in card


def test_what_was_left_out_is_reported() -> None:
    assert skipped({"skipped": {}}) == ""
    assert "3 questions (photo), 1 questions (answer)" in skipped({"skipped": {"photo": 3, "answer": 1}})


def test_what_is_stated_as_sure_is_reported() -> None:
    assert stated({}) == ""
    sure = {"all": {"n": 1234, "sure": 567, "right": 76.54}, "number": {"n": 20, "sure": 0, "right": None}}
    shown = rows(stated({"sure": sure}))
    assert [list(row.values()) for row in shown.values()] == [["1,234", "567", "76.5"], ["20", "0", "-"]]
