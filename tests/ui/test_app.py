import sys

import httpx
import pytest

from tests.ui.conftest import free_port
from ui import app
from ui.hosting.front import Front
from ui.models import Models
from vqa.model.errors import InputError


@pytest.fixture
def fast(monkeypatch, vqa):
    """`launch` takes the tiny model and does not wait for Ctrl-C; returns the servers that it would have waited for."""
    waited: list[Front] = []
    load = Models.load
    monkeypatch.setattr(Models, "load", lambda models: load(models, vqa))
    monkeypatch.setattr(Models, "load_further", lambda models: None)
    monkeypatch.setattr(Front, "wait", lambda front: waited.append(front))
    return waited


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"root_path": "glimpse"}, "The root path is 'glimpse'; give one that begins with /"),
        ({"port": 0}, "choose one from 1 to 65535"),
        ({"host": "::1"}, "cannot listen on the IPv6 address ::1"),
        ({"host": ""}, "cannot listen on no address"),
        ({"model": "./none"}, "There is no model folder"),
        ({"mcp": True}, r"pip install 'glimpse-vqa\[mcp\]'"),
        *(({"auth": half}, "is not NAME:PASSWORD") for half in ("", "ann", "ann:", ":secret")),
    ],
)
def test_settings_that_cannot_be_used_are_reported(monkeypatch, settings, message):
    monkeypatch.setitem(sys.modules, "mcp", None)  # as if it was not installed
    with pytest.raises(InputError, match=message):
        app.launch(**{"port": free_port()} | settings)


def test_launch_prints_the_address_and_stays(fast, capsys):
    port = free_port()
    app.launch(port=port)
    assert capsys.readouterr().out == (
        f"Glimpse is open on http://127.0.0.1:{port}/ (Ctrl-C ends it); the model is loading.\nThe model is loaded.\n"
    )
    assert len(fast) == 1


def test_what_gradio_stores_of_sessions_is_bounded(models, monkeypatch):
    assert app.SESSIONS <= 100
    monkeypatch.setattr(app, "SESSIONS", 3)
    with app.serving(models, port=free_port()) as front:
        for number in range(6):
            body = {"data": ["what", 1], "session_hash": f"session-{number}"}
            event = httpx.post(f"{front.address}gradio_api/call/complete", json=body).json()["event_id"]
            assert "complete" in httpx.get(f"{front.address}gradio_api/call/complete/{event}").text
        assert len(front.app.state_holder.session_data) == 3


def test_a_window_that_was_closed_ends_the_app(fast, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(app, "open_window", lambda address: not opened.append(address))
    port = free_port()
    app.launch(port=port, window=True)
    assert opened == [f"http://127.0.0.1:{port}/"]
    assert fast == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(opened[0])


def test_the_page_is_open_before_the_model():
    with app.serving(Models("tiny"), port=free_port()) as front:
        assert httpx.get(front.address).status_code == 200
        status = httpx.post(f"{front.address}glimpse/call/status", json={"data": []}).json()["result"]
        assert status["loading"] == "the model"
        assert httpx.get(f"{front.address}healthz").status_code == 503


def test_it_can_be_installed_from_the_browser(address):
    manifest = httpx.get(f"{address}manifest.json").json()
    assert (manifest["name"], manifest["display"]) == ("Glimpse", "standalone")
    for icon in manifest["icons"]:
        found = httpx.get(httpx.URL(address).join(icon["src"]))
        assert (found.status_code, found.headers["content-type"]) == (200, icon["type"])
    assert 'rel="manifest"' in httpx.get(address).text


@pytest.mark.parametrize(
    ("space", "settings"), [("", {}), ("", {"host": "0.0.0.0"}), ("", {"root_path": "/glimpse"}), ("ann/glimpse", {})]
)
def test_strangers_cannot_name_models(monkeypatch, fast, space, settings):
    known: list[bool] = []
    made = app.functions
    monkeypatch.setattr(app, "functions", lambda models, found: known.append(models.any_model) or made(models, found))
    if space:
        monkeypatch.setenv("SPACE_ID", space)
    app.launch(port=free_port(), **settings)
    assert known == [not space and not settings]
