import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from jsonschema import Draft202012Validator
from PIL import Image

import vqa
from ui import app
from vqa.errors import InputError
from vqa.predict import VQA, Word

QUESTION = "what is on the table?"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def model(tiny_checkpoint) -> VQA:
    return VQA.load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def address(model) -> Iterator[str]:
    """The app, open on this machine."""
    page = app.build_app(model)
    yield app.open_app(page, "127.0.0.1", free_port())
    page.close(verbose=False)


@pytest.fixture(scope="module")
def client(address) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    y, x = np.mgrid[:120, :160]
    Image.fromarray(np.stack([x, 2 * y, (x + y) // 2], -1).astype(np.uint8)).save(path)
    return path


def test_ask_returns_the_object_of_the_command_line(client, model, photo):
    content = client.predict(photo=handle_file(photo), question=QUESTION, api_name="/ask")
    schema = json.loads((Path(vqa.__file__).parent / "schemas" / "answer.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(content)
    expected = model.ask(photo, QUESTION).to_dict()
    del content["seconds"], expected["seconds"]
    assert content == expected


def test_only_ask_is_public(client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/ask"]


@pytest.mark.parametrize(
    ("content", "question", "message"),
    [
        (b"just some text", QUESTION, "The photo is not a JPEG"),
        (b"", QUESTION, "The photo is empty"),
        (None, QUESTION, "There is no photo yet"),
        ("photo", "", "The question is empty"),
        ("photo", "a" * 400, "400 characters"),
        ("photo", "zyzzyva", "knows none of the words"),
    ],
)
def test_bad_input_is_a_sentence(client, photo, content, question, message):
    if isinstance(content, bytes):
        photo.write_bytes(content)
    with pytest.raises(AppError) as caught:
        client.predict(None if content is None else handle_file(photo), question, api_name="/ask")
    sentence = str(caught.value)
    assert message in sentence
    assert "Traceback" not in sentence
    assert "/" not in sentence  # no path of the machine that serves
    assert sentence.endswith(".")


def test_a_file_that_was_not_uploaded_is_refused(address, model, photo):
    """A path on the serving machine is not read for whoever knows it."""
    for meta in ({"meta": {"_type": "gradio.FileData"}}, {}):
        data = {"data": [{"path": str(photo)} | meta, QUESTION]}
        event = httpx.post(f"{address}gradio_api/call/ask", json=data).json()["event_id"]
        answer = httpx.get(f"{address}gradio_api/call/ask/{event}").text
        assert "event: error" in answer
        assert "confidence" not in answer


def test_an_address_that_cannot_be_had_is_told(monkeypatch, model, tiny_checkpoint):
    monkeypatch.setattr(app.VQA, "load", lambda *_: model)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot be had; choose another --port"):
            app.launch(port=taken.getsockname()[1])
    with pytest.raises(InputError, match="choose one from 1 to 65535"):
        app.launch(port=0)
    with pytest.raises(InputError, match="cannot listen on the IPv6 address ::1"):
        app.launch(host="::1", port=free_port())


def test_launch_says_where_it_is_open_and_stays(monkeypatch, model, capsys):
    monkeypatch.setattr(app.VQA, "load", lambda *_: model)
    waited: list[gr.Blocks] = []
    monkeypatch.setattr(gr.Blocks, "block_thread", lambda blocks: waited.append(blocks))
    port = free_port()
    app.launch(port=port)
    assert capsys.readouterr().out == f"Glimpse is open on http://127.0.0.1:{port}/ (Ctrl-C ends it).\n"
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
    waited[0].close(verbose=False)


def test_a_model_that_cannot_be_read_is_told():
    with pytest.raises(InputError, match="There is no model folder"):
        app.launch("./none", port=free_port())


def test_what_the_model_says_is_no_html(model, photo, monkeypatch):
    monkeypatch.setattr(model, "answers", ["<b>yes</b>"] * 5)
    answer = replace(model.ask(photo, "what is zebra?"), words=[Word("<i>what</i>", 1.0)])
    for text in (app.answer_html(answer), app.words_html(answer), app.paragraph("note", "<i>")):
        assert "<b>" not in text
        assert "<i>" not in text
    assert "&lt;b&gt;yes&lt;/b&gt;" in app.answer_html(answer)
    assert "Words that it does not know: zebra." in app.answer_html(answer)


def test_examples_are_real_photos():
    examples = app.example_photos()  # scikit-image comes with the test extra
    assert len(examples) == len(app.EXAMPLES)
    for path, question in examples:
        assert question.endswith("?")
        with Image.open(path) as photo:
            assert min(photo.size) > 200


def test_no_examples_without_scikit_image(monkeypatch):
    monkeypatch.setattr(app.importlib.util, "find_spec", lambda name: None)
    assert app.example_photos() == []


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args) -> dict:
    """pytest-playwright's setting: the system's Chromium, if there is one, and no traffic of its own."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    found = {"executable_path": CHROMIUM} if CHROMIUM else {}
    return {**browser_type_launch_args, **found, "args": arguments}


@pytest.mark.browser
def test_in_a_browser(page, address, photo, tmp_path):
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": 1280, "height": 1100})
    page.goto(address)
    question = page.locator("#question textarea")

    question.fill(QUESTION)
    question.press("Enter")  # without a photo: a sentence in the page
    page.get_by_text("There is no photo yet").first.wait_for()
    assert not page.locator("#overlay img").is_visible()

    page.locator("#photo input[type=file]").set_input_files(photo)
    page.locator("#photo img").wait_for()
    question.press("Enter")
    page.locator("#overlay img").wait_for()
    answer = page.locator("#answer").inner_text()
    assert "Without looking:" in answer
    assert "Looked at:" in answer
    assert "%" in page.locator("#best").inner_text()
    assert "table" in page.locator("#words").inner_text()
    size = page.locator("#overlay img").evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert size[0] > 1200
    page.screenshot(path=tmp_path / "app.png", full_page=True)
    assert (tmp_path / "app.png").stat().st_size > 20_000

    question.fill("zyzzyva?")
    page.locator("#ask").click()
    page.get_by_text("knows none of the words").first.wait_for()
    assert errors == []
    outside = [url for url in requests if not url.startswith((address, "data:", "blob:"))]
    assert len(requests) > 5
    assert outside == []


def test_gradio_sends_nothing_home():
    page = gr.Blocks.get_instances()
    assert page
    assert not any(blocks.analytics_enabled for blocks in page)
