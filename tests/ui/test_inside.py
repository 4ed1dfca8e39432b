"""The tab Inside: its pictures, and a sentence in their place where there can be none."""

import re

import pytest

from tests.ui.conftest import QUESTION
from ui.completing import Completing
from ui.inside import CHARACTERS, PARTS, WORDS, Inside
from vqa.inside.cells import read_question


@pytest.fixture
def inside(models) -> Inside:
    return Inside(models, Completing())


def test_a_cell_is_read(inside, vqa):
    html = inside.cells(QUESTION, WORDS, 1, "c", 3.0)
    reading = read_question(vqa, QUESTION)
    told = [float(value) for value in re.findall(r'class="cell" style=".*?" title="(.*?)"', html)]
    assert told == pytest.approx(reading.unit(0, "c", 3).tolist(), abs=6e-4)
    assert "layer 1, unit 3" in html and html.count("<tr>") == 1 + 6


@pytest.mark.parametrize(
    ("question", "part", "unit", "told"),
    [
        (QUESTION, "h", 16, "There is no unit 16; choose one from 0 to 15."),
        (QUESTION, "h", -1, "There is no unit -1"),
        (QUESTION, "z", 0, "There is no &#x27;z&#x27; in this cell; choose one of i, f, g, o, c, h."),
        ("", "h", 0, "The question is empty"),
    ],
)
def test_what_cannot_be_read_is_told(inside, question, part, unit, told):
    html = inside.cells(question, WORDS, 1, part, unit)
    assert html.startswith('<p class="failed"') and told in html


def test_letters_are_read_by_the_model_that_completes(inside):
    html = inside.cells("What?", CHARACTERS, 2, "h", 0)
    assert re.findall(r'class="cell".*?>(.)</span>', html) == list("what?")
    assert "layer 2, unit 0" in html
    assert "There is no layer 3; choose one from 1 to 2." in inside.cells("What?", CHARACTERS, 3, "h", 0)
    assert "The text is empty" in inside.cells("", CHARACTERS, 1, "h", 0)


def test_every_part_has_a_name():
    assert {name for _, name in PARTS} >= set("ifogch") | set("rzn")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_flow_is_drawn(inside, cell):
    html = inside.flow(cell, 2, 1, 0.9, False)
    assert html.count("<polyline") == (4 if cell == "lstm" else 2)
    assert "Largest singular value of the recurrent matrix: " in html and "clipped" not in html


def test_clipping_is_told(inside):
    assert re.search(r"gradient: \d(\.\d)?e\+1\d, clipped to 1\.", inside.flow("rnn", 1, 1, 3.0, True))


def test_without_a_photo_the_models_own_flow_is_refused(inside):
    assert "There is no photo yet" in inside.own(None, QUESTION)
