"""The app in a window of its own, beside the browser's tabs."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import webbrowser
from pathlib import Path

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("msedge", "microsoft-edge", "brave", "brave-browser"),
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/Applications/Brave Browser.app/Contents/MacOS/Brave Browser",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    r"C:\Program Files\BraveSoftware\Brave-Browser\Application\brave.exe",
    os.path.expandvars(r"%LOCALAPPDATA%\Google\Chrome\Application\chrome.exe"),
)


def open_window(address: str) -> bool:
    """Show `address` in a window and return True when it is closed.

    By pywebview (the extra `desktop`), else by the app mode of a Chromium-like browser. Without either, open a tab of
    the usual browser and return False at once. Prints a sentence for each fallback.
    """
    if by_webview(address) or by_app_mode(address):
        return True
    place = "The app is in your browser" if webbrowser.open(address) else "Open it in a browser"
    return _fall_back(f"{place}: {address} (Ctrl-C ends it).")


def by_webview(address: str) -> bool:
    try:
        import webview
    except ImportError:
        return _fall_back("For a window of its own without a browser: pip install 'glimpse-vqa[desktop]'.")
    logging.getLogger("pywebview").setLevel(logging.CRITICAL)  # it logs the traceback of every backend that is missing
    try:
        webview.create_window("Glimpse", address, width=1280, height=900)
        webview.start()
    except Exception as error:  # each of its backends raises its own kinds where there is no screen
        reason = str(error).partition("\n")[0][:60] or type(error).__name__
        return _fall_back(f"pywebview cannot open a window here ({reason}); trying a browser.")
    return True


def by_app_mode(address: str) -> bool:
    if (program := find_browser()) is None:
        return _fall_back("There is no Chromium, Chrome or Edge for a window of its own.")
    # Chromium refuses to sandbox for root, as in a container.
    root = ["--no-sandbox"] if sys.platform != "win32" and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # a profile of its own makes it a process of its own, which can be waited for
        own = [f"--app={address}", f"--user-data-dir={profile}", "--no-first-run", "--disable-background-networking"]
        try:
            subprocess.run([program, *own, *root], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):  # OSError: no program for this machine
            return _fall_back(f"{Path(program).name} could not open a window; opening the usual browser.")
    return True


def find_browser() -> str | None:
    """The program of an installed browser that has the app mode."""
    installed = filter(None, map(shutil.which, BROWSERS))
    return next(installed, None) or next((place for place in PLACES if Path(place).is_file()), None)


def _fall_back(reason: str) -> bool:
    print(reason, flush=True)
    return False
