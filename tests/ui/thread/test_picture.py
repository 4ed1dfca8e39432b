import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from jsonschema import Draft202012Validator
from PIL import Image

import vqa as package
from ui.tabs import conversation as talk
from ui.tabs.conversation import Conversation

QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there, 猫?"]
SCHEMA = json.loads((Path(package.__file__).parent / "schemas" / "answer.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def uploads(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


@pytest.fixture
def turns(models, photo) -> list[dict]:
    """A conversation, as the page keeps it."""
    turns: list[dict] = []
    for question in QUESTIONS:
        turns, _ = Conversation(models).answer({"path": str(photo)}, question, turns)
    return turns


def content(file: dict[str, str], name: str, kind: str) -> bytes:
    assert file["name"] == name
    head, _, body = file["url"].partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(body, validate=True)


def picture(turns: list[dict]) -> Image.Image:
    image = Image.open(io.BytesIO(content(talk.as_picture(turns), "glimpse.png", "image/png")))
    assert image.format == "PNG"
    image.load()
    return image


def test_the_json_holds_the_questions_and_the_answer_objects(turns, vqa, photo):
    text = content(talk.as_json(turns), "glimpse.json", "application/json").decode("utf-8")
    assert "猫" in text  # for eyes, not \u732b
    found = json.loads(text)
    assert [row.pop("question") for row in found] == QUESTIONS
    for row, question in zip(found, QUESTIONS, strict=True):
        Draft202012Validator(SCHEMA).validate(row)
        expected = vqa.ask(photo, question).to_dict()
        assert row | {"seconds": 0} == expected | {"seconds": 0}


def test_the_picture_has_a_card_for_each_turn(models, turns, photo):
    for size in ((900, 60), (60, 900)):
        Image.new("RGB", size, "green").save(photo)
        turns, _ = Conversation(models).answer({"path": str(photo)}, QUESTIONS[0], turns)
    whole, cards = picture(turns), [talk.card(turn) for turn in turns]
    assert len({card.size for card in cards}) > 1
    top = 0
    for card in cards:
        part = whole.crop((0, top, card.width, top + card.height))
        assert np.array_equal(np.asarray(part), np.asarray(card))
        top += card.height
    assert whole.size == (max(card.width for card in cards), top)


def test_a_card_states_the_answer(turns, monkeypatch):
    calls = []
    monkeypatch.setattr(talk, "overlay", lambda *values: calls.append(values))
    talk.card(turns[0])
    ((seen, attention, question, answer),) = calls
    result = turns[0]["result"]
    assert question == QUESTIONS[0]
    assert attention.shape == (2, result["attention"]["height"], result["attention"]["width"])
    assert attention.sum((1, 2)) == pytest.approx([1, 1], abs=1e-5)
    assert seen.size == (160, 120)
    confidence, blind = f"{100 * result['confidence']:.0f}%", result["blind"]["answer"]
    headline = f"{result['answer']} ({confidence}), without looking: {blind} ("
    assert answer.removeprefix("not sure, perhaps ").startswith(headline)
    assert answer.startswith("not sure") == (not result["sure"])
    assert answer.endswith("a guess: the photo hardly mattered") == result["guess"]


def test_an_empty_conversation_can_be_saved():
    assert json.loads(content(talk.as_json([]), "glimpse.json", "application/json")) == []
    assert picture([]).size[0] > 0


def test_older_turns_are_dropped(models, photo):
    before = [{"number": number} for number in range(talk.MAX_TURNS)]
    turns, drawn = Conversation(models).answer({"path": str(photo)}, QUESTIONS[0], before)
    assert len(before) == talk.MAX_TURNS  # the page's own list is not changed
    assert turns[:-1] == before[1:] and turns[-1]["question"] == QUESTIONS[0] and drawn == {"turns": turns}
    refused, drawn = Conversation(models).answer(None, QUESTIONS[0], turns)
    assert refused == drawn["turns"] == turns and "no photo" in drawn["error"]


def test_nothing_of_it_stays_on_the_server(turns, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    talk.as_json(turns), talk.as_picture(turns)
    assert sorted(tmp_path.iterdir()) == before
    assert not Path(get_upload_folder()).exists()
