"""The alignment picture: a place a weight, and every text escaped."""

import re
from xml.etree import ElementTree

from vqa.inside.alignment import CELL, MARGIN, alignment_picture


def test_every_weight_stands_in_its_row_and_column() -> None:
    weights = [[0.9, 0.1, 0.0], [0.01, 0.29, 0.7]]
    picture = alignment_picture("abc", "xy", weights)
    found = {
        (int(y) - MARGIN, int(x) - MARGIN): float(opacity)
        for x, y, opacity in re.findall(r'<rect x="(\d+)" y="(\d+)".*?fill-opacity="(.*?)"', picture)
    }
    wanted = {
        (CELL * row, CELL * column): weight
        for row, line in enumerate(weights)
        for column, weight in enumerate(line)
        if weight > 0.02
    }
    assert found == wanted
    assert "y looks at c: 70%" in picture


def test_it_is_escaped_svg_that_shows_spaces() -> None:
    picture = alignment_picture("<a> &\"'", "&<\"' ", [[1 / 7] * 7] * 5)
    root = ElementTree.fromstring(picture)
    letters = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert letters == [*"<a>\u2423&\"'", *"&<\"'\u2423"]
    assert "How '&<\"' ' (rows)" in root.attrib["aria-label"]
