"""The page Learn: its pictures, and a sentence in their place where there can be none."""

import re
from types import SimpleNamespace

import pytest

from tests.ui.conftest import QUESTION
from ui.learn.cells import CHARACTERS, NAMES, PARTS, WORDS, Cells
from ui.learn.flows import COPY, Flows
from ui.learn.flows import QUESTION as ASKED
from vqa.inside.cells import read_question


@pytest.fixture(scope="module")
def inside(models) -> Cells:
    return Cells(models)


def test_a_cell_is_read(inside, vqa):
    html = inside.cells(QUESTION, WORDS, 1, "c", 3.0)
    reading = read_question(vqa, QUESTION)
    values = [float(value) for value in re.findall(r'class="cell" style=".*?" title="(.*?)"', html)]
    assert values == pytest.approx(reading.unit(0, "c", 3).tolist(), abs=6e-4)
    assert "layer 1, unit 3" in html and html.count("<tr>") == 1 + 6
    html = inside.cells("What?", CHARACTERS, 2, "h", 0)
    assert re.findall(r'class="cell".*?>(.)</span>', html) == list("what?")
    assert "layer 2, unit 0" in html


@pytest.mark.parametrize(
    ("question", "reader", "layer", "part", "unit", "message"),
    [
        (QUESTION, WORDS, 1, "h", 16, "There is no unit 16; choose one from 0 to 15."),
        (QUESTION, WORDS, 1, "h", -1, "There is no unit -1"),
        (QUESTION, WORDS, 1, "h", None, "There is no number for the unit; type one."),
        (QUESTION, WORDS, None, "h", 0, "There is no number for the layer; type one."),
        (QUESTION, WORDS, 1, "z", 0, "There is no &#x27;z&#x27; in this cell; choose one of i, f, g, o, c, h."),
        ("", WORDS, 1, "h", 0, "The question is empty"),
        ("", CHARACTERS, 1, "h", 0, "The text is empty"),
        ("What?", CHARACTERS, 3, "h", 0, "There is no layer 3; choose one from 1 to 2."),
        ("a", CHARACTERS, 1, "h", 10000, "There is no unit 10000; choose one from 0 to 255."),
    ],
)
def test_an_unreadable_cell_is_reported(inside, question, reader, layer, part, unit, message):
    html = inside.cells(question, reader, layer, part, unit)
    assert html.startswith('<p class="failed"') and message in html


@pytest.mark.parametrize("text", ["a", "Где кот?", "这是什么?", "😀", "\u200b", "e\u0301"])
@pytest.mark.parametrize("reader", [WORDS, CHARACTERS])
def test_any_script_is_read_or_refused(inside, reader, text):
    html = inside.cells(text, reader, 1, "c", 0)
    if reader == CHARACTERS or text not in ("😀", "\u200b"):
        assert html.count('class="cell"') >= 1 and "failed" not in html
        assert ("Not known to this model: " in html) == (text != "a" or reader == WORDS)
    else:
        assert "has no words; ask in plain words" in html


@pytest.mark.parametrize(("reader", "feature"), [(WORDS, "position"), (CHARACTERS, "vowel")])
def test_units_are_found_and_drawn(inside, reader, feature):
    found = inside.find(reader, feature)
    assert found["feature"] == feature and found["questions"] > 300
    assert found["measure"] == ("AUC" if feature == "vowel" else "correlation")
    assert len(found["rows"]) == 5
    assert feature != "vowel" or float(found["rows"][0]["score"]) > 0.9  # the character model has a cell for vowels
    pick = found["rows"][0]["pick"]
    layer, part, unit, own, examples = inside.pick(QUESTION, reader, SimpleNamespace(**pick))
    assert (layer, part, unit) == (pick["layer"], pick["part"], pick["unit"])
    assert own == inside.cells(QUESTION, reader, layer, part, unit) and "failed" not in own
    assert examples.count('<p class="cells') == 4
    assert ("cell marked" in examples) == (feature == "vowel")
    assert inside.pick("", reader, SimpleNamespace(**pick))[3] == ""  # the examples are enough
    assert "no feature 'joy'" in inside.find(reader, "joy")["error"]
    assert "There is no layer 9" in inside.examples(reader, feature, 9, "h", 0)


def test_every_part_and_feature_has_a_name():
    assert {name for _, name in PARTS} >= set("ifogch") | set("rzn")
    assert {"position", "colour word", "last word"} <= set(NAMES[WORDS]) & set(NAMES[CHARACTERS])
    assert "vowel" not in NAMES[WORDS] and "vowel" in NAMES[CHARACTERS]


@pytest.mark.parametrize("task", [COPY, ASKED])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_flow_is_drawn(models, cell, task):
    html = Flows(models).flow(QUESTION, task, cell, 2, 1, 0.9, False)
    assert html.count("<polyline") == (4 if cell == "lstm" else 2)
    assert "Largest singular value of the recurrent matrix: 0.90, 0.90." in html and "clip" not in html
    assert (">table</text>" in html) == (task == ASKED)


def test_clipping_and_a_missing_question_or_photo_are_reported(models):
    flows = Flows(models)
    html = flows.flow("", COPY, "rnn", 1, 1, 3.0, True)
    assert re.search(r"gradient: \d(\.\d)?e\+1\d, clipped to 1: every step now adds \S+e-1\d times", html)
    assert "after clipping" in html
    assert "so there is nothing to clip" in flows.flow("", COPY, "rnn", 1, 1, 0.5, True)
    assert "The question is empty" in flows.flow("", ASKED, "rnn", 1, 1, 0.9, False)
    assert "<polyline" in flows.flow("a", ASKED, "rnn", 1, 1, 0.9, False)  # one step
    assert "There is no photo yet" in flows.own(None, QUESTION)
