import json
from pathlib import Path
from unittest.mock import ANY

import httpx
import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from jsonschema import Draft202012Validator
from PIL import Image

import vqa as package
from tests.ui.conftest import NAMES, QUESTION
from ui.thread.answers import MAX_QUESTIONS
from vqa.evidence import evidence, occlusion, what_if


def test_every_event_has_a_name_and_every_public_one_types_and_a_docstring(client, address):
    found = client.view_api(return_format="dict")
    assert sorted(found["named_endpoints"]) == NAMES
    assert found["unnamed_endpoints"] == {}
    config = httpx.get(f"{address}config").json()
    private = [event["api_name"] for event in config["dependencies"] if event["backend_fn"]]
    assert all(private) and len(private) == len(set(private))
    for name, endpoint in found["named_endpoints"].items():
        assert len(endpoint["description"]) > 30, name
        assert all(parameter["python_type"]["type"] for parameter in endpoint["parameters"]), name
        first = endpoint["parameters"][0]["parameter_name"]
        assert first == ("text" if name in ("/complete", "/repair") else "photo")


def test_answers_are_the_objects_of_the_command_line(client, vqa, models, photo):
    expected = vqa.ask(photo, QUESTION).to_dict() | {"seconds": ANY}
    both = [answer.to_dict() | {"seconds": ANY} for answer in vqa.ask_many(photo, [QUESTION, "is it red?"])]
    content = client.predict(photo=handle_file(photo), question=QUESTION, api_name="/ask")
    schema = json.loads((Path(package.__file__).parent / "schemas" / "answer.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(content)
    assert content == expected
    assert client.predict(handle_file(photo), [QUESTION, "is it red?"], api_name="/ask_many") == both
    assert client.predict(handle_file(photo), QUESTION, "", models.own, api_name="/compare") == [expected, expected]
    first, other = client.predict(handle_file(photo), QUESTION, "", "", api_name="/compare")
    assert first == expected and other["model"] != first["model"]  # never the same model twice
    first, other = client.predict(handle_file(photo), QUESTION, "", "/etc", api_name="/compare")
    assert first == expected and "is not offered here" in other["error"]


def test_the_reasons_are_those_of_the_library(client, vqa, photo):
    best = vqa.ask(photo, QUESTION).text
    found = client.predict(handle_file(photo), QUESTION, best, api_name="/evidence")
    np.testing.assert_allclose(found["map"], evidence(vqa, photo, QUESTION, best), rtol=1e-5, atol=1e-7)
    found = client.predict(handle_file(photo), QUESTION, api_name="/occlusion")
    assert found["answer"] == best
    np.testing.assert_allclose(found["map"], occlusion(vqa, photo, QUESTION), rtol=1e-4, atol=1e-7)
    mask = [[1, 0], [0, 0]]
    found = client.predict(handle_file(photo), QUESTION, mask, api_name="/what_if")
    assert found["changes"] == what_if(vqa, photo, QUESTION, mask).to_dict()["changes"]


@pytest.mark.parametrize(
    ("content", "question", "message"),
    [
        (b"just some text", QUESTION, "The photo is not a JPEG"),
        (b"", QUESTION, "The photo is empty"),
        (None, QUESTION, "There is no photo yet"),
        ("photo", "", "The question is empty"),
        ("photo", "a" * 400, "400 characters"),
        ("photo", "zyzzyva", "knows none of the words"),
        ("huge", QUESTION, "more than 64,000,000"),
    ],
)
def test_bad_input_is_a_sentence(client, photo, content, question, message):
    if content == "huge":
        Image.new("1", (8001, 8000)).save(photo)
    elif isinstance(content, bytes):
        photo.write_bytes(content)
    with pytest.raises(AppError) as caught:
        client.predict(None if content is None else handle_file(photo), question, api_name="/ask")
    sentence = str(caught.value)
    assert message in sentence and sentence.endswith(".")
    assert "Traceback" not in sentence and "/" not in sentence  # no path of the machine that serves


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("/ask_many", [[]], "The questions are no list"),
        ("/ask_many", ["what"], "The questions are no list"),
        ("/ask_many", [["what is it?"] * (MAX_QUESTIONS + 1)], "ask at most 50 at once"),
        ("/ask_many", [[7]], "A question is text, not int"),
        ("/what_if", [QUESTION, [[0, 0]]], "Nothing is painted over"),
        ("/what_if", [QUESTION, "all"], "The mask is not a table"),
        ("/evidence", [QUESTION, "zyzzyva"], "The model has no answer 'zyzzyva'"),
        ("/compare", [QUESTION, "/etc", ""], "is not offered here"),
    ],
)
def test_bad_values_are_a_sentence(client, photo, name, values, message):
    with pytest.raises(AppError, match=message):
        client.predict(handle_file(photo), *values, api_name=name)


def test_no_file_of_the_server_can_be_read(address, photo):
    secret = Path(package.__file__).parents[1] / "pyproject.toml"
    for path in (photo, secret, "/etc/passwd", "../../../../etc/passwd", "pyproject.toml"):
        assert httpx.get(f"{address}gradio_api/file={path}").status_code in (403, 404), path
    assert httpx.get(f"{address}monitoring").status_code in (403, 404)
