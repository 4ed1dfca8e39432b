"""The calls of the page, by plain HTTP; what they answer is tested in test_api.py and with each part."""

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.data.refusal import refusal
from tests.ui.conftest import QUESTION, free_port
from ui import app
from ui.api import calls as module
from ui.api.calls import Photos
from ui.models import Models

BYTES = {"Content-Type": "application/octet-stream"}


def upload(address: str, content: bytes) -> str:
    return httpx.post(f"{address}glimpse/upload", content=content, headers=BYTES).json()["result"]


def call(address: str, name: str, **body: object) -> httpx.Response:
    return httpx.post(f"{address}glimpse/call/{name}", json=body, timeout=60)


def test_a_photo_is_sent_once_and_asked_about(address, photo, vqa):
    name = upload(address, photo.read_bytes())
    for question in (QUESTION, "is it red?"):
        answer = call(address, "ask", photo=name, data=[question]).json()["result"]
        assert answer["answer"] == vqa.ask(photo, question).text
    picture = call(address, "look", photo=name, data=[True]).json()["result"]["picture"]
    assert picture.startswith("data:image/jpeg;base64,")
    assert call(address, "look", photo=name, data=[False]).json() == {"result": {"picture": ""}}
    assert call(address, "did_you_mean", data=["waht is on the table?"]).json() == {"result": {"text": QUESTION}}


def test_a_link_names_an_upload_by_its_hash_and_nothing_else(address, photo):
    name = upload(address, photo.read_bytes())
    found = httpx.get(f"{address}glimpse/photos/{name}")
    assert found.content == photo.read_bytes()
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in found.headers["content-security-policy"]
    for other in ("0" * 64, "..", "%2e%2e", f"{name}x"):
        assert httpx.get(f"{address}glimpse/photos/{other}").status_code == 404


def test_the_status_counts_what_waits(address, models):
    loading = {"loading": models.loading, "done": 4, "of": 4, "waiting": 0}
    assert call(address, "status", data=[]).json() == {"result": loading}


NO_QUESTIONS: tuple = ([], [QUESTION, 7], [7], QUESTION, {"question": QUESTION}, ["\ud800"])
NO_LISTS = (QUESTION, [1], [True], [[QUESTION]], [None], {"a": QUESTION})
NO_NUMBERS = (True, "3", float("nan"), None, 10**400, [3], 1.5)


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("ask", {"data": [QUESTION]}, "was not uploaded"),
        ("ask", {"photo": "none", "data": [QUESTION]}, "was not uploaded"),
        ("ask", {"photo": None, "data": [QUESTION]}, "was not uploaded"),
        *(("ask", body, module.UNREADABLE) for body in ({"photo": "real"}, [QUESTION], 7, "not json", "[" * 100_000)),
        *(("ask", {"photo": "real", "data": data}, module.UNREADABLE) for data in NO_QUESTIONS),
        *(("picture", {"photo": "real", "data": [questions]}, module.UNREADABLE) for questions in NO_LISTS),
        *(("describe", {"photo": "real", "data": [beam, 0, 0]}, module.UNREADABLE) for beam in NO_NUMBERS),
        ("ask", {"photo": "real", "data": [""]}, "The question is empty"),
        ("ask", {"photo": "real", "data": ["a" * 300_000]}, "more than 256 kB"),
    ],
)
def test_a_bad_call_is_refused_in_a_sentence(address, photo, capfd, name, body, message):
    if isinstance(body, dict) and body.get("photo") == "real":
        body = body | {"photo": upload(address, photo.read_bytes())}
    content = body if isinstance(body, str) else json.dumps(body)
    answer = httpx.post(f"{address}glimpse/call/{name}", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == (413 if "kB" in message else 400) and message in answer.json()["error"]
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_page_of_another_site_sends_nothing(address):
    """A type that a form may send needs no permission (CORS); those that are taken do, and nobody is given it."""
    form = "multipart/form-data; boundary=x"
    for path, kind in (("call/ask", "text/plain"), ("upload", form), ("upload", "text/plain")):
        answer = httpx.post(f"{address}glimpse/{path}", content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 400 and "Content-Type" in answer.json()["error"]
    asked = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{address}glimpse/call/ask", headers=asked)
    assert "access-control-allow-origin" not in answer.headers


def test_a_body_without_a_length_is_limited_too(address, capfd):
    def parts():
        for _ in range(50):
            yield b"a" * 100_000

    answer = httpx.post(f"{address}glimpse/call/ask", content=parts(), headers={"Content-Type": "application/json"})
    assert "more than 256 kB" in answer.json()["error"]
    assert httpx.request("GET", address, content=parts()).status_code == 200
    assert "Traceback" not in "".join(capfd.readouterr())


def test_an_unknown_function_is_refused(address):
    for name in ("none", "__class__", "load"):
        assert call(address, name, data=[]).status_code == 404


def test_large_uploads_are_refused(address, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_PHOTO", 1000)
    answer = httpx.post(f"{address}glimpse/upload", content=b"a" * 1001, headers=BYTES)
    assert answer.status_code == 413 and "at most 64 MB" in answer.json()["error"]
    assert len(upload(address, b"a" * 1000)) == 64


def test_only_so_many_calls_wait(models, photo, monkeypatch):
    monkeypatch.setattr(module, "WAITING", 1)
    go = threading.Event()
    monkeypatch.setattr(Models, "decode", lambda *_: go.wait(20))
    with app.serving(models, port=free_port()) as front, ThreadPoolExecutor(2) as pool:
        name = upload(front.address, photo.read_bytes())
        asked = [pool.submit(call, front.address, "look", photo=name, data=[False]) for _ in range(2)]
        while call(front.address, "status", data=[]).json()["result"]["waiting"] < 1:
            time.sleep(0.05)
        assert call(front.address, "look", photo=name, data=[False]).status_code == 503
        go.set()
        assert 503 not in [one.result().status_code for one in asked]


def test_a_password_is_asked_for(models):
    login = app.credentials("ann:secret")
    with app.serving(models, port=free_port(), login=login) as front, httpx.Client(base_url=front.address) as http:
        assert not front.app.get_blocks().analytics_enabled
        paths = ("page.json", "config", f"glimpse/photos/{'0' * 64}")
        assert [http.get(path).status_code for path in paths] == [401] * 3
        for name in ("glimpse/call/ask", "gradio_api/call/ask"):
            assert http.post(name, json={"data": [None, ""]}).status_code == 401
        assert http.post("glimpse/upload", content=b"a", headers=BYTES).status_code == 401
        assert "glimpse/static/start.js" not in http.get("").text
        for password, status in (("wrong", 400), ("secret", 200)):
            assert http.post("login", data={"username": "ann", "password": password}).status_code == status
        assert [http.get(path).status_code for path in paths] == [200, 200, 404]
        assert "glimpse/static/start.js" in http.get("").text
        assert http.post("glimpse/call/status", json={"data": []}).status_code == 200


def test_a_photo_is_named_by_its_hash():
    photos = Photos()
    name = photos.add(b"a")
    assert name == hashlib.sha256(b"a").hexdigest() == photos.add(b"a")
    assert photos.get(name) == b"a"
    for gone in ("", None, 7, ["a"], "0" * 64):
        assert "was not uploaded" in refusal(photos.get, gone)


def test_strangers_cannot_find_out_who_sent_the_same_photo():
    first, second = Photos(secret=True), Photos(secret=True)
    assert len({first.add(b"a"), second.add(b"a"), hashlib.sha256(b"a").hexdigest()}) == 3
    assert first.add(b"a") == first.add(b"a")


def test_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr(module, "ALL_PHOTOS", 10 + 2 * module.BESIDE)
    photos = Photos()
    first, second = photos.add(b"a" * 4), photos.add(b"b" * 4)
    photos.add(b"a" * 4)  # again, so it is no longer the oldest
    third = photos.add(b"c" * 4)
    assert [photos.get(name)[:1] for name in (first, third)] == [b"a", b"c"]
    assert refusal(photos.get, second)


def test_they_are_forgotten_an_hour_after_they_were_sent_last(monkeypatch):
    photos, now = Photos(), [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    first, second = photos.add(b"a"), photos.add(b"b")
    now[0] = 1800
    photos.add(b"a")
    now[0] = 3600
    photos.expire()
    assert photos.get(first) == b"a" and refusal(photos.get, second)
    now[0] = 5400
    photos.expire()
    assert refusal(photos.get, first) and photos._bytes == 0
