"""The routes that chat clients and other tools know, asked by the package `openai`."""

import httpx
import openai
import pytest
from PIL import Image, ImageFile

from tests.ui.conftest import QUESTION, free_port
from ui import app
from ui.api.payload import data_url

PROMPT = f"{QUESTION}\nAnswer the question using a single word or phrase."  # as lmms-eval asks


@pytest.fixture(scope="module")
def chat(models):
    with app.serving(models, port=free_port(), login=("ann", "secret")) as front:
        yield front.address


@pytest.fixture
def client(chat):
    return openai.OpenAI(base_url=f"{chat}v1", api_key="secret", max_retries=0)


def messages(url: str | None, *texts: str) -> list[dict]:
    picture: list[dict] = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}}] if url else []
    return [{"role": "user", "content": [*picture, *({"type": "text", "text": text} for text in texts)]}]


@pytest.fixture
def url(photo) -> str:
    return data_url("image/png", photo.read_bytes())


def test_the_answer_is_that_of_python(client, models, vqa, photo, url):
    made = client.chat.completions.create(model="gpt-4o", messages=messages(url, PROMPT), temperature=0)
    expected = vqa.ask(photo, QUESTION).to_dict()
    assert made.choices[0].message.content == expected["answer"] and made.choices[0].finish_reason == "stop"
    assert made.glimpse["attention"] == expected["attention"] and made.model == expected["model"]
    assert [model.id for model in client.models.list()] == models.offered


def test_a_stream_has_the_answer(client, vqa, photo, url):
    chunks = list(client.chat.completions.create(model="x", messages=messages(url, QUESTION), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == vqa.ask(photo, QUESTION).text


def test_later_turns_are_about_the_same_photo_and_what_vlmevalkit_adds_is_no_matter(client, vqa, photo, url):
    later = [*messages(url, "is it red?"), {"role": "assistant", "content": "no"}, *messages(None, QUESTION)]
    theirs = [{"role": "system", "content": "You are helpful."}, *messages(url, PROMPT)]
    for talk in (later, theirs):
        made = client.chat.completions.create(model="x", messages=talk, max_tokens=1024, n=1, temperature=0)
        assert made.choices[0].message.content == vqa.ask(photo, QUESTION).text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "have no photo and question"),
        (messages(None, QUESTION), "have no photo and question"),
        (messages("https://example.com/a.jpg", QUESTION), "nothing is fetched from other machines"),
        (messages("data:image/png;base64,%%%", QUESTION), "is not in base64"),
        (messages("data:image/png;base64,é", QUESTION), "is not in base64"),
        (messages("data:image/png;base64,AAAA", QUESTION), "is not a JPEG"),
        ([{"role": "user", "content": 5}], "have no photo and question"),
        ([{"role": "user", "content": [3, {"image_url": 4, "text": 5}]}], "have no photo and question"),
    ],
)
def test_a_bad_request_is_refused_in_a_sentence(client, wrong, message):
    with pytest.raises(openai.BadRequestError, match=message):
        client.chat.completions.create(model="x", messages=wrong)


def test_what_is_no_request(chat):
    for content in (b"no JSON", b"[]", b"{}", b"[" * 100_000):
        answer = httpx.post(f"{chat}v1/chat/completions", content=content, headers={"authorization": "Bearer secret"})
        assert answer.status_code == 400 and answer.json()["error"]["message"].endswith(".")


def test_the_password_is_the_key(chat):
    with pytest.raises(openai.AuthenticationError, match="The API key is wrong"):
        openai.OpenAI(base_url=f"{chat}v1", api_key="guess", max_retries=0).models.list()


def test_a_full_queue_is_refused_with_its_length(client, models, url, monkeypatch):
    monkeypatch.setattr(models.batches, "waiting", 256)
    with pytest.raises(openai.InternalServerError, match="256 questions are waiting on this server"):
        client.chat.completions.create(model="x", messages=messages(url, QUESTION))


def test_health(chat, models):
    assert httpx.get(f"{chat}healthz").json() == {"status": "ok", "model": models.own, "waiting": 0}


def test_lmms_eval_s_model_of_an_api_reaches_it(chat, vqa, photo, monkeypatch):
    from lmms_eval.api.instance import Instance
    from lmms_eval.models.simple.openai import OpenAICompatible

    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)  # which that package sets
    model = OpenAICompatible(model="gpt-4o", base_url=f"{chat}v1", api_key="secret", timeout=60)
    model.task_dict = {"task": {"test": [photo]}}
    request = Instance(
        request_type="generate_until",
        arguments=(PROMPT, {"max_new_tokens": 16}, lambda path: [Image.open(path)], 0, "task", "test"),
        idx=0,
        metadata={"task": "task", "doc_id": 0, "repeats": 1},
    )
    assert [answer.text for answer in model.generate_until([request])] == [vqa.ask(photo, QUESTION).text]
