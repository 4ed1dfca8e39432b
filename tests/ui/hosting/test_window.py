import functools
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ui.hosting import window

ADDRESS = "http://127.0.0.1:54321/"


@pytest.fixture
def tabs(monkeypatch) -> list[str]:
    """The addresses that the usual browser was sent to."""
    opened: list[str] = []
    monkeypatch.setattr(window.webbrowser, "open", lambda address: opened.append(address) or True)
    return opened


@pytest.fixture
def no_webview(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "webview", None)  # which makes its import fail


def fake_browser(monkeypatch, folder: Path, code: int) -> Path:
    """A browser that writes down its arguments and whether its profile is there; returns the file of notes."""
    program, notes = folder / "chromium", folder / "notes"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "profile = next(a.partition('=')[2] for a in sys.argv if a.startswith('--user-data-dir='))\n"
        f"open({str(notes)!r}, 'w').write('\\n'.join([str(os.listdir(profile)), *sys.argv[1:]]))\n"
        f"sys.exit({code})\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(window, "find_browser", lambda: str(program))
    return notes


def fake_webview(monkeypatch, error: Exception | None = None) -> list[tuple]:
    calls: list[tuple] = []

    def start():
        calls.append(("start",))
        if error:
            raise error

    create = lambda *values, **named: calls.append(("create", *values, named))  # noqa: E731
    monkeypatch.setitem(sys.modules, "webview", SimpleNamespace(create_window=create, start=start))
    return calls


def test_pywebview_comes_first(monkeypatch, tabs, capsys):
    calls = fake_webview(monkeypatch)
    monkeypatch.setattr(window, "find_browser", lambda: pytest.fail("a browser was looked for"))
    assert window.open_window(ADDRESS, "A title") is True
    (name, title, address, size), last = calls
    assert (name, title, address, last) == ("create", "A title", ADDRESS, ("start",))
    assert size["width"] >= 800 and size["height"] >= 600
    assert tabs == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "error", [RuntimeError("no screen\nand a second line"), OSError(2, "no GTK"), NotImplementedError()]
)
def test_a_pywebview_that_fails_gives_way_to_the_app_mode(monkeypatch, tmp_path, tabs, capsys, error):
    calls = fake_webview(monkeypatch, error)
    notes = fake_browser(monkeypatch, tmp_path, 0)
    assert window.open_window(ADDRESS) is True
    assert calls[-1] == ("start",)
    assert f"--app={ADDRESS}" in notes.read_text().splitlines()
    told = capsys.readouterr().out
    assert told.startswith("pywebview cannot open a window here (") and told.count("\n") == 1
    assert "second line" not in told
    assert tabs == []


def test_the_app_mode_has_a_profile_of_its_own(monkeypatch, tmp_path, no_webview, tabs, capsys):
    notes = fake_browser(monkeypatch, tmp_path, 0)
    profiles = []
    for _ in range(2):
        assert window.open_window(ADDRESS, extra=("--headless=new", "--mute-audio")) is True
        listing, *arguments = notes.read_text().splitlines()
        assert listing == "[]"  # there, and empty
        assert arguments[0] == f"--app={ADDRESS}"
        assert arguments[-2:] == ["--headless=new", "--mute-audio"]
        profiles += [Path(a.partition("=")[2]) for a in arguments if a.startswith("--user-data-dir=")]
    assert len(set(profiles)) == 2
    assert not any(profile.exists() for profile in profiles)
    assert tabs == []
    assert "glimpse-vqa[desktop]" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="there is no root on Windows")
@pytest.mark.parametrize(("user", "sandboxed"), [(0, False), (1000, True)])
def test_only_root_goes_without_the_sandbox(monkeypatch, tmp_path, user, sandboxed):
    notes = fake_browser(monkeypatch, tmp_path, 0)
    monkeypatch.setattr(window.os, "geteuid", lambda: user)
    assert window.by_app_mode(ADDRESS) is True
    assert ("--no-sandbox" not in notes.read_text()) == sandboxed


@pytest.mark.parametrize("program", [None, "fails", "is no program"])
@pytest.mark.parametrize("opens", [True, False])
def test_without_a_window_it_is_a_tab(monkeypatch, tmp_path, no_webview, capsys, program, opens):
    if program == "fails":
        fake_browser(monkeypatch, tmp_path, 1)
    elif program:
        (tmp_path / "chromium").write_text("no program at all")
        (tmp_path / "chromium").chmod(0o755)
    monkeypatch.setattr(window, "find_browser", lambda: program and str(tmp_path / "chromium"))
    monkeypatch.setattr(window.webbrowser, "open", lambda address: opens)
    assert window.open_window(ADDRESS) is False
    *_, reason, last = capsys.readouterr().out.splitlines()
    assert reason == (
        "chromium could not open a window; opening the usual browser."
        if program
        else "There is no Chromium, Chrome or Edge for a window of its own."
    )
    place = "The app is in your browser" if opens else "Open it in a browser"
    assert last == f"{place}: {ADDRESS} (Ctrl-C ends it)."


def test_a_browser_is_found_on_the_path_or_in_its_usual_place(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(window, "PLACES", (str(tmp_path / "none"), str(tmp_path / "Chrome")))
    assert window.find_browser() is None
    (tmp_path / "Chrome").write_text("")
    assert window.find_browser() == str(tmp_path / "Chrome")
    for name in ("google-chrome", "chromium"):  # the first of the list wins, not the first that was installed
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert Path(window.find_browser() or "").name == name


OPEN_FOR = 1.0  # seconds
PAGE = f"<title>t</title><script>setTimeout(() => close(), {1000 * OPEN_FOR})</script>".encode()


@pytest.fixture
def page() -> Iterator[tuple[str, list[str]]]:
    """A page that closes its own window, and the paths that were asked for."""
    asked: list[str] = []

    class Serve(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *values):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Serve)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/here", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.browser
def test_a_real_browser_opens_the_page_and_is_waited_for(monkeypatch, no_webview, tabs, page):
    if window.find_browser() is None:
        pytest.skip("needs Chromium, Chrome or Edge")
    address, asked = page
    monkeypatch.setattr(window.subprocess, "run", functools.partial(subprocess.run, timeout=60))
    start = time.monotonic()
    assert window.open_window(address, extra=("--headless=new", "--disable-gpu")) is True
    assert time.monotonic() - start >= OPEN_FOR
    assert asked[0] == "/here"
    assert tabs == []
