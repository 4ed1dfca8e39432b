"""The page is open before gradio; see test_network.py for certificates and proxies."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.ui.conftest import free_port
from ui import app
from ui.models import Models
from vqa.model.errors import InputError


def test_the_page_is_open_before_gradio_and_what_gradio_answers_waits(models):
    found = {}

    def before(address: str) -> None:
        for path in ("", "page.json", "glimpse/static/main.js", "glimpse/examples/0"):
            assert httpx.get(address + path, timeout=5).status_code == 200, path
        assert httpx.post(f"{address}glimpse/call/status", json={"data": []}).json()["result"]["of"] == 4
        assert httpx.get(f"{address}healthz").status_code == 200
        found["waiting"] = pool.submit(httpx.get, f"{address}config", timeout=60)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{address}learn", timeout=0.3)

    with ThreadPoolExecutor(1) as pool, app.serving(models, port=free_port(), before=before) as front:
        assert found["waiting"].result().json()["title"] == "Glimpse"
        assert httpx.get(f"{front.address}learn").status_code == 200
        assert 'id="__next' not in httpx.get(f"{front.address}?view=api").text
        assert "gradio" in httpx.get(f"{front.address}?view=api").text  # its page about the API


def test_what_waits_is_refused_when_the_model_cannot_be_read():
    found = {}

    def before(address: str) -> None:
        found["waiting"] = pool.submit(httpx.get, f"{address}config", timeout=60)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{address}config", timeout=0.3)
        raise InputError("There is no such model.")

    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(InputError, match="no such model"),
        app.serving(Models("tiny"), port=free_port(), before=before),
    ):
        pass
    refused = found["waiting"].result()
    assert (refused.status_code, refused.json()["error"]) == (503, "The app is ending.")


def test_an_address_that_cannot_be_listened_on_is_reported(caplog):
    for host in ("no-such-name.invalid", "a..b", "192.0.2.1"):
        with pytest.raises(InputError, match=f"cannot listen on {host}:"), app.serving(Models(), host, free_port()):
            pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=r"cannot listen on .*; choose another --port"):
            app.launch(port=taken.getsockname()[1])
    assert caplog.records == []  # nor a line of uvicorn's


def test_closing_ends_its_thread_and_frees_the_port(models):
    threads = threading.active_count()
    port = free_port()
    for _ in range(2):
        with app.serving(models, port=port) as front:
            assert httpx.get(front.address).status_code == 200
        assert not front._thread.is_alive()
    assert threading.active_count() <= threads + 3  # gradio's own
