"""Models behind OpenAI-style servers: a false one that fails as wanted, and the app's own route."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette

from tests.data.refusal import refusal
from tests.foreign.conftest import asking
from ui.hosting.chat import chat_routes
from ui.models import Models
from vqa import cli
from vqa.foreign import Refused, served
from vqa.foreign.served import RETRIES, ServedVQA
from vqa.predict import VQA

Reply = Callable[[dict[str, Any]], tuple[int, Any]]
KEY = "sk-secret-0123456789"


class Fake:
    """A server on this machine; reply: status and content for a request's body, or pieces of bytes without an end."""

    def __init__(self, reply: Reply):
        self.reply, self.asked, self.keys = reply, [], set()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                fake.asked.append(body["messages"][0]["content"][1]["text"].split("\n")[0])
                fake.keys.add(self.headers.get("authorization"))
                status, content = fake.reply(body)
                pieces = content if isinstance(content, Iterator) else [json.dumps(content).encode()]
                self.send_response(status)
                if isinstance(pieces, list):
                    self.send_header("content-length", str(len(pieces[0])))
                    self.end_headers()
                self.flush_headers()
                with suppress(OSError):  # the client has had enough
                    for piece in pieces:
                        self.wfile.write(piece)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a client has waited before its retries, which pass at once."""
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(ServedVQA, "sleep", staticmethod(wait))
    return waited


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]) -> Iterator[Callable[[Reply], Fake]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    servers: list[Fake] = []

    def start(reply: Reply) -> Fake:
        servers.append(Fake(reply))
        return servers[-1]

    yield start
    for fake in servers:
        fake.server.shutdown()
        fake.server.server_close()


@pytest.fixture
def refused(photo: Path) -> Callable[[Fake], str]:
    """The message with which a question to a server ends, which never has the key."""

    def ask(fake: Fake) -> str:
        message = refusal(lambda: ServedVQA(fake.url, "theirs").ask(photo, "is it?"))
        assert KEY not in message
        return message

    return ask


def completion(text: Any, *logprobs: float) -> tuple[int, Any]:
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": text}}
    if logprobs:
        choice["logprobs"] = {"content": [{"token": "x", "logprob": value} for value in logprobs]}
    return 200, {"choices": [choice]}


def test_answers_are_cached_by_content(serve, photo):
    fake = serve(lambda body: completion(" Red. ", -0.5, -1.5))
    vqa = ServedVQA(fake.url, "theirs")
    first = vqa.ask_many(photo, ["what color?", "how many?"])
    assert [answer.text for answer in first] == ["Red", "Red"]
    assert first[0].confidence == pytest.approx(0.36788, rel=1e-4)
    assert ServedVQA(fake.url, "theirs").ask(photo.read_bytes(), "what color?").text == "Red"
    assert sorted(fake.asked) == ["how many?", "what color?"] and fake.keys == {f"Bearer {KEY}"}
    ServedVQA(fake.url, "another").ask(photo, "what color?")
    assert len(fake.asked) == 3


def test_what_may_pass_is_tried_again_but_not_for_ever(serve, refused, photo, waits):
    states = iter([503, 429, 200])
    fake = serve(lambda body: completion("yes") if (state := next(states)) == 200 else (state, {}))
    assert ServedVQA(fake.url, "theirs").ask(photo, "is it?").text == "yes" and waits == [1.0, 2.0]
    broken = serve(lambda body: (500, {"error": {"message": "out of\nmemory"}}))
    assert "failed 5 times (status 500: out of memory); run the same command again" in refused(broken)
    assert len(broken.asked) == RETRIES + 1
    assert "check the model's name and OPENAI_API_KEY" in refused(serve(lambda body: (401, {})))
    assert "no chat completion" in refused(serve(lambda body: (200, {})))
    with pytest.raises(Refused, match="refuses the question"):
        ServedVQA(serve(lambda body: (400, {})).url, "theirs").ask(photo, "is it?")


@pytest.mark.parametrize("start", [b"", b"x: y\r\n\r\n{"])
def test_an_answer_without_an_end_is_given_up(start, serve, refused, monkeypatch):
    monkeypatch.setattr(served, "SECONDS", 0.3)
    monkeypatch.setattr(served, "RETRIES", 1)

    def slowly() -> Iterator[bytes]:  # in the head or in the body, always soon enough for the limit of one read
        yield start
        for _ in range(100):
            time.sleep(0.05)
            yield b"x"

    assert "failed 2 times (no whole answer within 0.3 seconds)" in refused(serve(lambda body: (200, slowly())))
    endless = serve(lambda body: (200, itertools.chain([b"x: y\r\n\r\n"], itertools.repeat(b" " * 65536))))
    monkeypatch.setattr(served, "SECONDS", 30)
    assert "answers with more than 4,194,304 bytes; check the address" in refused(endless)


def test_a_message_is_text_or_parts_of_text(serve, photo):
    replies: list[Any] = []
    vqa = ServedVQA(serve(lambda body: completion(replies[-1])).url, "theirs")

    def asked(content: Any) -> str:
        replies.append(content)
        return vqa.ask(photo, f"is it {len(replies)}?").text

    assert asked([{"type": "text", "text": "two "}, {"type": "text", "text": "dogs"}]) == "two dogs"
    assert asked(None) == asked([]) == ""
    for content in ({"a": 1}, 7, ["yes"], [{"type": "text"}], [{"type": "refusal", "refusal": "no"}]):
        with pytest.raises(Refused, match="answer is no text but"):
            asked(content)


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://", "http://x:y/v1", "http://[::1", f"http://{'a' * 99}/", "http://a:p@b/"]
)
def test_an_address_is_checked_before_it_is_asked(url):
    message = refusal(ServedVQA, url, "theirs")
    assert "is none of a server" in message or "holds a password; set OPENAI_API_KEY instead" in message


def test_the_key_is_in_no_message(serve, refused, monkeypatch):
    fake = serve(lambda body: (404, {"error": {"message": f"no such key {KEY}"}}))
    assert "status 404: no such key ***" in refused(fake)
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nx: y")
    assert "OPENAI_API_KEY holds characters that no key has" in refused(fake)


@pytest.mark.parametrize(
    "ours",
    [
        {"confidence": 7},
        {"attention": {"maps": [[1, 2, 3]], "height": 2, "width": 2}},
        {"attention": {"maps": [[-1.0]], "height": 1, "width": 1}},
        {"blind": {}},
        {"photo_mattered": "x"},
    ],
)
def test_an_invalid_answer_is_refused_and_not_cached(ours, serve, refused, photo):
    replies = iter([{"glimpse": ours}, {}])
    fake = serve(lambda body: (200, completion("yes", 1e3)[1] | next(replies)))
    assert "answers with no chat completion" in refused(fake)
    assert ServedVQA(fake.url, "theirs").ask(photo, "is it?").confidence == 1.0  # log-probabilities are at most 0


def test_a_run_that_broke_off_goes_on(serve, photo, tmp_path, capsys):
    broken = True

    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        text = body["messages"][0]["content"][1]["text"]
        if "refused" in text:
            return 400, {"error": {"message": "not this"}}
        return (500, {}) if "is it 3?" in text and broken else completion("yes")

    fake = serve(reply)
    rows = [(photo.name, f"is it {i}?", "yes") for i in (0, 1, 2, 3, "refused")]
    words = [*asking(tmp_path / "data.jsonl", *rows), "--images", str(photo.parent), "--batch-size", "1"]
    api, output = ["--api", fake.url, "--api-model", "theirs"], ["--output", str(tmp_path / "out")]
    assert cli.main([*words, *api, *output]) == 2
    assert "run the same command again to continue" in capsys.readouterr().err
    broken, before = False, len(fake.asked)
    assert cli.main([*words, *api, *output]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["n"] == 4 and results["metrics"]["exact"] == 100 and results["skipped"] == {"question": 1}
    assert results["model"] == "theirs" and "calibration" not in results
    assert fake.asked[before:].count("is it 0?") == 0  # its answer was cached
    for file in (tmp_path / "out").rglob("*"):
        assert file.is_dir() or KEY not in file.read_text(encoding="utf-8", errors="replace")
    assert cli.main([*words, *api, "--deletion", "2"]) == 2
    assert "which this server does not return" in capsys.readouterr().err
    assert cli.main([*words, *api[:2]]) == 2
    assert "--api URL and --api-model NAME belong together" in capsys.readouterr().err


def test_the_apps_own_route_answers_with_heat(tiny_checkpoint, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    models = Models(str(tiny_checkpoint), "cpu")
    models.load()
    served = ServedVQA("http://testserver/v1", str(tiny_checkpoint))
    served._client = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=chat_routes(models))))
    here = VQA.load(tiny_checkpoint, "cpu").ask(photo, "what is on the table?")
    there = served.ask(photo, "what is on the table?")
    assert (there.text, there.blind) == (here.text, here.blind) and there.confidence == pytest.approx(here.confidence)
    np.testing.assert_allclose(there.attention, here.attention, rtol=1e-4)
