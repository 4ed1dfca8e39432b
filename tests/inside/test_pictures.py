"""The pictures hold the numbers, and text is only ever text."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.data.refusal import refusal
from vqa.inside.cells import Reading
from vqa.inside.pictures import CELL, MARGIN, alignment_picture, coloured_text, flow_chart, gate_strips

NASTY = '<b onclick="x">&'


def test_each_token_has_its_colour() -> None:
    html = coloured_text(["up", NASTY, "zero"], [1.0, -2.0, 0.0])
    spans = re.findall(r'<span class="cell" style="(.*?)" title="(.*?)">(.*?)</span>', html)
    assert [title for _, title, _ in spans] == ["+1.000", "-2.000", "+0.000"]
    assert spans[0][0].startswith("background:rgba(202,72,20,0.38") and spans[1][0].endswith("166,172,0.75)") is False
    assert "rgba(33,102,172,0.75)" in spans[1][0] and "0.00" in spans[2][0]
    assert NASTY not in html and "&lt;b onclick" in html
    assert coloured_text([], []) == '<p class="cells"></p>'


def test_strips_stack_the_gates() -> None:
    values = {name: np.full((2, 3), k / 10) for k, name in enumerate("ifgoch")}
    values["c"][1, 2] = -3.0
    html = gate_strips(Reading(("a", NASTY), (values,)), 0, 2)
    rows = re.findall(r'<tr><th scope="row">(\w) <small>.*?</small></th>(.*?)</tr>', html)
    assert [name for name, _ in rows] == ["i", "f", "o", "g", "c", "h"]
    numbers = {name: re.findall(r">(-?[\d.]+)</td>", row) for name, row in rows}
    assert numbers["f"] == ["0.10", "0.10"] and numbers["c"] == ["0.40", "-3.00"]
    assert NASTY not in html and "layer 1, unit 2" in html
    for place in ((1, 0), (0, 3)):
        assert "There is no" in refusal(gate_strips, Reading(("a", "b"), (values,)), *place)


def test_a_chart_goes_through_its_points() -> None:
    svg = flow_chart({NASTY: [1e-8, 1e-4, 1.0], "other": [0.0, 1.0, 1e2]}, "Flow")
    root = ElementTree.fromstring(svg)  # it is XML
    lines = [line.get("points").split() for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert [len(points) for points in lines] == [3, 2]  # what is 0 has no logarithm
    heights = [float(point.split(",")[1]) for point in lines[0]]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)  # equal powers, equal steps
    assert NASTY not in svg
    assert "no gradient at all" in flow_chart({"a": [0.0, 0.0]}, "Flow")
    assert "what" in flow_chart({"a": [1.0, 2.0]}, "Flow", ["what", "is"])


def test_alignment_weights_by_row_and_column() -> None:
    weights = [[0.9, 0.1, 0.0], [0.01, 0.29, 0.7]]
    picture = alignment_picture("abc", "xy", weights)
    drawn = re.findall(r'<rect x="(\d+)" y="(\d+)".*?fill-opacity="(.*?)"', picture)
    found = {(int(y) - MARGIN, int(x) - MARGIN): float(opacity) for x, y, opacity in drawn}
    assert found == {(0, 0): 0.9, (0, CELL): 0.1, (CELL, CELL): 0.29, (CELL, 2 * CELL): 0.7}  # 0.01 is too faint
    assert "y looks at c: 70%" in picture


def test_alignment_is_escaped_svg_with_visible_spaces() -> None:
    root = ElementTree.fromstring(alignment_picture("<a> &\"'", "&<\"' ", [[1 / 7] * 7] * 5))
    letters = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert letters == [*"<a>\u2423&\"'", *"&<\"'\u2423"]
    assert "How '&<\"' ' (rows)" in root.attrib["aria-label"]
