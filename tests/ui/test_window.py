import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType

import psutil
import pytest

from ui import window

ADDRESS = "http://127.0.0.1:9/"


@pytest.fixture
def no_webview(monkeypatch):
    monkeypatch.setitem(sys.modules, "webview", None)


def fake_webview(monkeypatch, start) -> list[tuple]:
    made: list[tuple] = []
    fake = ModuleType("webview")
    fake.create_window = lambda *values, **options: made.append(values)  # type: ignore[attr-defined]
    fake.start = start  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "webview", fake)
    return made


def fake_browser(tmp_path, code: int):
    """A program that writes down its arguments."""
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\nexit {code}\n')
    program.chmod(0o755)
    return str(program)


def test_pywebview_comes_first(monkeypatch):
    made = fake_webview(monkeypatch, lambda: None)
    monkeypatch.setattr(window, "find_browser", pytest.fail)
    assert window.open_window(ADDRESS) is True
    assert made == [("Glimpse", ADDRESS)]


def test_without_a_screen_for_pywebview_a_browser_is_tried(monkeypatch, tmp_path, capsys):
    def broken():
        raise RuntimeError("You must have either QT or GTK")

    fake_webview(monkeypatch, broken)
    monkeypatch.setattr(window, "find_browser", lambda: fake_browser(tmp_path, 0))
    assert window.open_window(ADDRESS) is True
    assert "pywebview cannot open a window here (You must have either QT or GTK…)" in capsys.readouterr().out
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert f"--app={ADDRESS}" in arguments
    assert [argument for argument in arguments if argument.startswith("--user-data-dir=")]


def test_a_browser_that_fails_leads_to_a_tab(monkeypatch, tmp_path, capsys, no_webview):
    monkeypatch.setattr(window, "find_browser", lambda: fake_browser(tmp_path, 1))
    opened: list[str] = []
    monkeypatch.setattr(window.webbrowser, "open", lambda address: not opened.append(address))
    assert window.open_window(ADDRESS) is False
    assert opened == [ADDRESS]
    told = capsys.readouterr().out
    assert "pip install 'glimpse-vqa[desktop]'" in told
    assert "could not open a window" in told
    assert f"The app is in your browser: {ADDRESS}" in told


def test_without_any_browser_the_address_is_told(monkeypatch, capsys, no_webview):
    monkeypatch.setattr(window, "find_browser", lambda: None)
    monkeypatch.setattr(window.webbrowser, "open", lambda address: False)
    assert window.open_window(ADDRESS) is False
    told = capsys.readouterr().out
    assert "There is no Chromium, Chrome or Edge" in told
    assert f"Open it in a browser: {ADDRESS}" in told


@pytest.mark.browser
def test_a_real_browser_opens_it_and_is_waited_for(no_webview):
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<p>Glimpse</p>")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/"
        ended: list[bool] = []
        extra = ("--headless=new", "--disable-gpu")
        waiting = threading.Thread(target=lambda: ended.append(window.open_window(address, extra=extra)))
        waiting.start()
        while "/" not in asked and waiting.is_alive():
            time.sleep(0.1)
        assert ended == []
        (browser,) = (one for one in psutil.Process().children() if f"--app={address}" in one.cmdline())
        browser.terminate()  # without a screen, the nearest thing to closing the window
        waiting.join(20)
        assert ended == [True]
    finally:
        server.shutdown()
