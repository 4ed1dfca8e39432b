"""What reaches the app, and what never leaves it."""

import socket

import httpx
import pytest

from tests.ui.conftest import QUESTION
from ui.hosting import guard


def call(address: str, name: str, *values: object) -> str:
    """The answer to a call by plain HTTP, the refusal included."""
    sent = httpx.post(f"{address}gradio_api/call/{name}", json={"data": values}, timeout=30)
    if sent.status_code != 200:
        return sent.text
    return httpx.get(f"{address}gradio_api/call/{name}/{sent.json()['event_id']}", timeout=30).text


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "127.0.0.2", ""])
def test_an_app_of_this_machine_answers_to_no_other_name(address, name):
    """Another site's page whose name leads here by DNS rebinding sends its own name."""
    port = address.rstrip("/").rpartition(":")[2]
    answer = httpx.get(f"{address}config", headers={"Host": f"{name}:{port}"})
    assert answer.status_code == 403 and "serves this machine only" in answer.json()["error"]
    for name in (f"localhost:{port}", "localhost"):  # without a port: at port 80
        assert httpx.get(f"{address}config", headers={"Host": name}).status_code == 200


def test_nothing_is_fetched_and_no_name_looked_up_for_anybody(address, closing_page, monkeypatch):
    asked: list[str] = []
    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: (asked.append(host), lookup(host, *a, **k))[1])
    for url in (f"{closing_page[0]}/here.html", "https://photos.example.org/x.jpg"):
        for photo in ({"path": url, "meta": {"_type": "gradio.FileData"}}, {"path": "", "url": url}, {"url": url}, url):
            answer = call(address, "ask", photo, QUESTION)
            assert "event: error" in answer and "Traceback" not in answer
    assert closing_page[1] == [] and not [host for host in asked if "photos" in str(host)]


def test_nothing_is_fetched_from_elsewhere(address):
    for path in ("file=https://tracker.example/x.png", "proxy=https://tracker.example/x.png"):
        assert httpx.get(f"{address}gradio_api/{path}").status_code == 403
    for path in ("", "page.json", "learn", "config", "gradio_api/info"):  # a picture in a model's Markdown, too
        assert httpx.get(f"{address}{path}").headers["Content-Security-Policy"] == guard.POLICY


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("ask", [], "do not have the number or the types"),
        ("ask", [None, 7], "'question' is text, not int"),
        ("ask", [7, QUESTION], "do not have the number or the types"),
        ("ask", [{"path": __file__, "meta": {"_type": "gradio.FileData"}}, QUESTION], "was not uploaded"),
        ("ask", [{"path": __file__}, QUESTION], "was not uploaded"),
        ("ask", [{"path": ["a"], "meta": {"_type": "gradio.FileData"}}, QUESTION], "was not uploaded"),
        ("what_if", [None, QUESTION, [[0, 1]] * 100_000], "more than 256 kB"),
        ("what_if", [None, QUESTION, [[0, 1]] * 10_000], "There is no photo yet"),
        *((name, [], "The request cannot be read") for name in ("none", "v2/none", "v2/ask")),
    ],
)
def test_a_bad_call_is_refused_in_a_sentence(address, capfd, name, values, message):
    answer = call(address, name, *values)
    assert message in answer and "null}" not in answer
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_request_with_a_photo_is_limited_too(address, monkeypatch):
    monkeypatch.setattr(guard, "MAX_PHOTO", 1 << 20)
    for body in (b"{" * (2 << 20), iter([b"{" * (1 << 19)] * 4)):  # without a length, too
        answer = httpx.post(f"{address}v1/chat/completions", content=body)
        assert 400 <= answer.status_code < 500 and "more than 1,024 kB" in answer.text


def test_a_client_that_leaves_causes_no_traceback(address, capfd, caplog):
    host, _, port = address.removeprefix("http://").rstrip("/").partition(":")
    for path, kind, length in (
        ("v1/chat/completions", "application/json", "Content-Length: 99"),
        ("glimpse/upload", "application/octet-stream", "Content-Length: 99"),
        ("glimpse/upload", "application/octet-stream", "Transfer-Encoding: chunked"),
    ):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST /{path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {kind}\r\n{length}\r\n\r\n"
            connection.sendall(head.encode() + b'9\r\n{"a')
    assert httpx.get(f"{address}healthz").status_code == 200
    assert "Traceback" not in "".join(capfd.readouterr()) and caplog.records == []
