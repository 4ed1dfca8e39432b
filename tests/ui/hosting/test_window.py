import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock, call

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
    program.write_text(f"""#!{sys.executable}
import os, sys
profile = next(a.partition('=')[2] for a in sys.argv if a.startswith('--user-data-dir='))
open({str(notes)!r}, 'w').write('\\n'.join([str(os.listdir(profile)), *sys.argv[1:]]))
sys.exit({code})
""")
    program.chmod(0o755)
    monkeypatch.setattr(window, "find_browser", lambda: str(program))
    return notes


def fake_webview(monkeypatch, error: Exception | None = None) -> Mock:
    webview = Mock(**{"start.side_effect": error})
    monkeypatch.setitem(sys.modules, "webview", webview)
    return webview


def test_pywebview_comes_first(monkeypatch, tabs, capsys):
    webview = fake_webview(monkeypatch)
    monkeypatch.setattr(window, "find_browser", lambda: pytest.fail("a browser was looked for"))
    assert window.open_window(ADDRESS) is True
    size = webview.create_window.call_args.kwargs
    assert webview.mock_calls == [call.create_window("Glimpse", ADDRESS, **size), call.start()]
    assert size["width"] >= 800 and size["height"] >= 600
    assert tabs == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "error", [RuntimeError("no screen\nand a second line"), OSError(2, "no GTK"), NotImplementedError()]
)
def test_the_app_mode_is_used_where_pywebview_fails(monkeypatch, tmp_path, tabs, capsys, error):
    webview = fake_webview(monkeypatch, error)
    notes = fake_browser(monkeypatch, tmp_path, 0)
    assert window.open_window(ADDRESS) is True
    assert webview.mock_calls[-1] == call.start()
    assert f"--app={ADDRESS}" in notes.read_text().splitlines()
    printed = capsys.readouterr().out
    assert printed.startswith("pywebview cannot open a window here (") and printed.count("\n") == 1
    assert "second line" not in printed and tabs == []


def test_the_app_mode_has_a_profile_of_its_own(monkeypatch, tmp_path, no_webview, tabs, capsys):
    notes = fake_browser(monkeypatch, tmp_path, 0)
    profiles = []
    for _ in range(2):
        assert window.open_window(ADDRESS) is True
        listing, *arguments = notes.read_text().splitlines()
        assert (listing, arguments[0]) == ("[]", f"--app={ADDRESS}")  # the profile is there, and empty
        profiles += [Path(a.partition("=")[2]) for a in arguments if a.startswith("--user-data-dir=")]
    assert len(set(profiles)) == 2 and not any(profile.exists() for profile in profiles)
    assert "glimpse-vqa[desktop]" in capsys.readouterr().out and tabs == []


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
    failed, missing = "chromium could not open a window", "There is no Chromium, Chrome or Edge"
    assert reason.startswith(failed if program else missing)
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


@pytest.mark.browser
def test_a_real_browser_opens_the_page_and_is_waited_for(monkeypatch, no_webview, tabs, closing_page):
    if window.find_browser() is None:
        pytest.skip("needs Chromium, Chrome or Edge")
    address, paths = closing_page
    run = subprocess.run
    headless = ["--headless=new", "--disable-gpu"]
    monkeypatch.setattr(window.subprocess, "run", lambda words, **named: run([*words, *headless], timeout=60, **named))
    start = time.monotonic()
    assert window.open_window(f"{address}/here.html") is True
    assert time.monotonic() - start >= 1  # the second that the page stays open for
    assert paths[0] == "/here.html"
    assert tabs == []
