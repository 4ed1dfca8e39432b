import base64
import io
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

import vqa as package
from tests.ui.conftest import QUESTION
from ui import talk
from ui.shown import shown


def content(file: dict[str, str]) -> bytes:
    return base64.b64decode(file["url"].partition(",")[2])


@pytest.fixture
def turns(models, photo) -> list[dict]:
    found: list[dict] = []
    for question in (QUESTION, "is it red?"):
        found = talk.add(found, shown(models, photo, question))
    return found


def test_the_json_holds_what_the_command_line_prints(turns):
    file = talk.as_json(turns)
    assert file["name"] == "glimpse.json"
    schema = json.loads((Path(package.__file__).parent / "schemas" / "answer.json").read_text(encoding="utf-8"))
    told = json.loads(content(file))
    assert [turn.pop("question") for turn in told] == [QUESTION, "is it red?"]
    for turn in told:
        Draft202012Validator(schema).validate(turn)


def test_the_picture_has_a_card_for_each_answer(turns):
    heights = []
    for count in (1, 2):
        with Image.open(io.BytesIO(content(talk.as_picture(turns[:count])))) as picture:
            assert picture.format == "PNG"
            heights.append(picture.height)
    assert heights[1] > 1.8 * heights[0]
    with Image.open(io.BytesIO(content(talk.as_picture([])))) as picture:
        assert picture.width > 0


def test_a_long_conversation_forgets_its_beginning():
    turns: list[dict] = []
    for number in range(talk.MAX_TURNS + 3):
        turns = talk.add(turns, {"number": number})
    assert [turn["number"] for turn in turns] == list(range(3, talk.MAX_TURNS + 3))
