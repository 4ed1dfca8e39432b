"""The report's tables: figures in their cells, everything from data escaped."""

import re
from collections import Counter

from vqa.evaluation.report import curves as report_curves
from vqa.evaluation.report import tables as report_tables

NASTY = '<script>alert("&")</script>'


def cells(html: str) -> list[list[str]]:
    """The text of each cell, row by row."""
    rows = re.findall("<tr>(.*?)</tr>", html, re.DOTALL)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall("<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def test_all_questions_a_guess_a_line() -> None:
    row = {"n": 1200, "model": 41.7, "majority": 19.8, "official": {"n": 30, "model": 39.1, "majority": 16.0}}
    html = report_tables.overall(row)
    head, *lines = cells(html)
    assert head == ["answer by", "exact", "official"]
    assert [(line[0].split("sees")[0].split("always")[0], *line[1:]) for line in lines] == [
        ("model", "41.7", "39.1"),
        ("commonest", "19.8", "16.0"),
    ]
    assert "All 1,200 questions" in html


def test_a_kind_of_question_a_line() -> None:
    rows = {NASTY: {"n": 5, "model": 50.0, "question_only": 60.0}, "b": {"n": 9, "model": 10.0, "question_only": 2.5}}
    html = report_tables.group("by_source", rows)
    head, *lines = cells(html)
    assert head == ["", "questions", "gain", "model", "question only"]
    assert lines[0] == ["b", "9", "+7.5", "10.0", "2.5"]  # the largest first
    assert lines[1][1:] == ["5", "-10.0", "50.0", "60.0"]
    assert NASTY not in html and "&lt;script&gt;" in html
    lengths = {"10+ words": {"n": 1, "model": 0.0}, "5-6 words": {"n": 1, "model": 0.0}, "1-4 words": {"n": 1}}
    assert [line[0] for line in cells(report_tables.group("by_question_length", lengths))[1:]] == [
        "1-4 words",
        "5-6 words",
        "10+ words",
    ]
    many = {str(i): {"n": 1, "model": 0.0} for i in range(16)}
    assert "data-fold" in report_tables.group("by_question_type", many) and "data-fold" not in html


def test_any_figures_make_a_table() -> None:
    content = {
        "n": 500,
        "interval": [1.5, 2.5],
        "region": [3, 3],
        "kept": {"exact": 40.0, "note": "left out"},
        "random": {"exact": None, "confidence": 30.0},
        "strange": ["left", "out"],
    }
    html = report_tables.figures("deletion", content)
    assert [line for line in cells(html) if line[0] in ("kept", "random")] == [
        ["kept", "40.0", "n/a"],
        ["random", "n/a", "30.0"],
    ]
    assert ["95% interval", "1.5 to 2.5"] in cells(html) and ["region", "3 x 3"] in cells(html)
    assert "left" not in re.sub("<p>.*?</p>", "", html) and "covered" in html
    damage = {"n": 5, "variants": {"typos": {"exact": 1.0, "drop": 2.0}}}
    assert ["typos", "1.0", "2.0"] in cells(report_tables.figures("robustness", damage))
    assert report_tables.figures("new", {}) == report_tables.figures("new", None) == ""
    assert NASTY not in report_tables.figures(NASTY, {NASTY: 1})


def test_mix_ups_count_pairs() -> None:
    pairs = Counter({("cat", "cat"): 5, ("cat", "dog"): 2, ("dog", "dog"): 3, ("cat", "zebu"): 1, (NASTY, "cat"): 1})
    head, *lines = cells(report_tables.mix_ups(pairs))
    assert head[:4] == ["right answer", "all", "cat", "dog"] and head[-1] == "something else"
    assert lines[0] == ["cat", "8", "5", "2", "", "1"]
    assert lines[1] == ["dog", "3", "", "3", "", ""]
    assert lines[2][1:] == ["1", "1", "", "", ""]
    assert NASTY not in report_tables.mix_ups(pairs)


def test_curves_go_through_their_points() -> None:
    bins = [{"n": 10, "confidence": 0.0, "accuracy": 100.0}, {"n": 5, "confidence": 100.0, "accuracy": 0.0}]
    svg = report_curves.reliability(bins)
    left, top = report_curves.LEFT, report_curves.TOP
    right, bottom = report_curves.WIDTH - report_curves.RIGHT, report_curves.HEIGHT - report_curves.BOTTOM
    assert f'points="{left:.1f},{top:.1f} {right:.1f},{bottom:.1f}"' in svg
    assert svg.count("<circle") == 2 and svg.count('class="column"') == 2
    svg = report_curves.coverage([{"coverage": 50, "accuracy": 75.0}, {"coverage": 100, "accuracy": 41.6}])
    assert svg.count("<circle") == 2 and ">75%<" in svg and ">42%<" in svg
