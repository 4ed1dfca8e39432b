"""The page without a server as a folder of static files: the app's scripts, and the model in parts."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ui
from ui.api.files import settings
from ui.browser import runtime
from ui.stage.examples import examples
from vqa.data import files

PART = 4_000_000  # bytes of a part before it is compressed, the last one excepted
MARK = "service-worker.js"  # a file in every such folder
SHARED = ("static/page.css", "static/icon-512.png")
ROOMS = ("stage", "thread", "static")  # all their scripts
HERE = Path(__file__).parent
Page = tuple[Mapping[str, bytes], Mapping[str, Any]]
README = """---
title: {quoted}
emoji: 👁️
colorFrom: indigo
colorTo: yellow
sdk: static
app_file: index.html
pinned: false
license: apache-2.0
short_description: Ask a photo a question; it never leaves the browser
custom_headers:
  cross-origin-embedder-policy: require-corp
  cross-origin-opener-policy: same-origin
  cross-origin-resource-policy: cross-origin
---
# {title}

Ask a photo a question, get an answer, and see where the model looked. All of it is computed in the browser: photos and
questions leave the device nowhere. The folder works on any static host and offline after the first visit. What else is
in it: LICENSES.txt. Made by `vqa export-page`, which replaces this folder when it is run again.
"""


def check_output(output: Path) -> Path:
    """The folder itself. Raises `InputError` for one that holds something else, or cannot be written."""
    return files.check_output(output, MARK)


def assemble(output: Path, runtime_folder: Path, page: Page, title: str = "Glimpse") -> Path:
    """Write the site, whole or not at all, and print what it is.

    runtime_folder: as `runtime.locate`; page: the contents of the model's files by name, and its settings, as
    `train.exporting.page.page_files`; title: for a static Space. Raises `InputError` as `check_output`.
    """
    contents, settings = page
    with files.whole_folder(output, MARK) as folder:
        copy_page(folder)
        (folder / "runtime").mkdir()
        shutil.copy(runtime_folder / runtime.SCRIPT, folder / "runtime")
        wasm = (runtime_folder / runtime.WASM).read_bytes()
        (folder / "model").mkdir()
        stored = {
            name: parts(folder / "model", name, content) for name, content in {"runtime": wasm, **contents}.items()
        }
        (folder / "model" / "model.json").write_text(json.dumps({**settings, "files": stored}), encoding="utf-8")
        readme = README.format(title=title, quoted=json.dumps(title, ensure_ascii=False))
        (folder / "README.md").write_text(readme, encoding="utf-8")
        write_worker(folder)
        if (output / ".git").is_dir():  # of a Space or a site that was pushed: its history stays
            shutil.copytree(output / ".git", folder / ".git", symlinks=True)
    command = f"python -m http.server --bind 127.0.0.1 --directory {output}"
    print(f"{output} is a complete page ({megabytes(output):.1f} MB). Try it: {command}")
    return output


def megabytes(folder: Path) -> float:
    """The size of the files in a folder, without git's own."""
    files = (file for file in folder.rglob("*") if ".git" not in file.relative_to(folder).parts)
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def copy_page(folder: Path) -> None:
    """The scripts, at the same places as in the app but for `api/server.js`; style, icon and examples."""
    scripts = [path for room in ROOMS for path in (ui.FOLDER / room).glob("*.js")]
    for path in (*(ui.FOLDER / name for name in SHARED), *scripts, *HERE.glob("*.js")):
        target = folder / path.relative_to(ui.FOLDER)
        if path.parent == HERE and path.name == "server.js":
            target = folder / "api" / "server.js"
        elif path.name == MARK:
            continue  # see `write_worker`
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    for path in (HERE / "page").iterdir():
        shutil.copy(path, folder / path.name)
    (folder / "examples").mkdir()
    for i, example in enumerate(examples()):
        shutil.copy(example.photo, folder / "examples" / f"{i}.webp")
    known = settings("examples/{}.webp", ["bundled"], any_model=False, collects=False, alone=True)
    files.write_json(folder / "page.json", known)


def parts(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    """Write a file in compressed parts, whose names have their hashes, so that a browser never mixes two versions.

    Compressed here, as most static hosts compress no unknown types. JSON stays readable, for the host to compress.
    """
    compressed = not content.startswith((b"{", b"["))
    written = []
    for start in range(0, len(content), PART):
        part = content[start : start + PART]
        if compressed:
            part = gzip.compress(part, mtime=0)  # the same bytes at any time
        digest = hashlib.sha256(part).hexdigest()
        path = f"{name}-{digest[:12]}.{'part' if compressed else 'json'}"
        (folder / path).write_bytes(part)
        written.append({"path": path, "bytes": len(part), "sha256": digest})
    return {"parts": written, "compressed": compressed}


def write_worker(folder: Path) -> None:
    """The service worker, with the hashes of the files that it stores and a version that changes with any of them."""
    kept = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = [path for path in kept if not path.startswith(("_", ".", "README", "LICENSES"))]
    kept = [path for path in kept if not path.startswith("model/") or path == "model/model.json"]
    hashes = {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in kept}
    version = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:12]
    script = (HERE / MARK).read_text(encoding="utf-8")
    constants = f"const VERSION = {json.dumps(version)}, FILES = {json.dumps(hashes)};\n"
    (folder / MARK).write_text(constants + script, encoding="utf-8")
