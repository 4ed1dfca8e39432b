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


def test_an_address_that_makes_no_sense_is_reported(fast):
    with pytest.raises(InputError, match="The root path is 'glimpse'; give one that begins with /"):
        app.launch(root_path="glimpse")
    with pytest.raises(InputError, match="choose one from 1 to 65535"):
        app.launch(port=0)
    with pytest.raises(InputError, match="cannot listen on the IPv6 address ::1"):
        app.launch(host="::1", port=free_port())
    with pytest.raises(InputError, match="cannot listen on no address"):
        app.launch(host="", port=free_port())


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


def test_a_model_that_cannot_be_read_is_reported():
    with pytest.raises(InputError, match="There is no model folder"):
        app.launch("./none", port=free_port())


def test_a_password_is_asked_for(models):
    with app.serving(models, port=free_port(), login=app.credentials("ann:secret")) as front:
        address = front.address
        assert not front.app.get_blocks().analytics_enabled
        assert httpx.get(f"{address}config").status_code == 401
        assert httpx.post(f"{address}gradio_api/call/ask", json={"data": [None, ""]}).status_code == 401
        with httpx.Client() as client:
            assert client.post(f"{address}login", data={"username": "ann", "password": "wrong"}).status_code == 400
            assert client.post(f"{address}login", data={"username": "ann", "password": "secret"}).status_code == 200
            assert client.get(f"{address}config").status_code == 200


@pytest.mark.parametrize("auth", ["", "ann", "ann:", ":secret"])
def test_a_half_password_is_refused(auth):
    with pytest.raises(InputError, match="is not NAME:PASSWORD"):
        app.credentials(auth)


def test_mcp_without_its_packages_is_reported(monkeypatch):
    monkeypatch.setattr(app.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'glimpse-vqa\[mcp\]'"):
        app.launch(port=free_port(), mcp=True)


def test_it_can_be_installed_from_the_browser(address):
    manifest = httpx.get(f"{address}manifest.json").json()
    assert (manifest["name"], manifest["display"]) == ("Glimpse", "standalone")
    for icon in manifest["icons"]:
        found = httpx.get(httpx.URL(address).join(icon["src"]))
        assert found.status_code == 200
        assert found.headers["content-type"] == icon["type"]
    assert 'rel="manifest"' in httpx.get(address).text


def test_strangers_cannot_name_models(monkeypatch, fast):
    known: list[bool] = []
    made = app.functions
    monkeypatch.setattr(app, "functions", lambda models, found: known.append(models.any_model) or made(models, found))
    for host in ("127.0.0.1", "0.0.0.0"):
        app.launch(host=host, port=free_port())
    monkeypatch.setenv("SPACE_ID", "ann/glimpse")
    app.launch(port=free_port())
    assert known == [True, False, False]
