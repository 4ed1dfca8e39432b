"""Files and folders that appear whole or not at all: written beside their place, then renamed into it.

A folder is replaced only by one of its own kind, a file only by a file; a folder that is filled step by step is locked.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vqa.model.errors import InputError


@contextmanager
def file_errors(failure: str, advice: str) -> Iterator[None]:
    """Turns an `OSError` into an `InputError`: what failed ("a.csv cannot be read"), the reason, how to correct it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{failure}: {str(error.strerror or error).rstrip('.')}; {advice}.") from error


def check_output(path: Path, mark: str | None = None) -> Path:
    """The path itself. Raises `InputError` if no folder can be made or written there: it is a file or a device, or no
    folder above it is writable; mark: or if it holds something, but not this file, which says that it is one of ours.
    """
    _check_name(path)
    existing = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not (os.path.isdir(existing) and os.access(existing, os.W_OK)):
        raise InputError(f"Nothing can be written to {path}, as {existing} is not a writable folder; choose another.")
    if mark is not None and existing == path and os.listdir(path) and not (path / mark).exists():
        raise InputError(f"The folder {path} holds something else (it has no {mark}); choose a new or an empty folder.")
    return path


def _check_name(path: Path) -> None:
    try:
        usable = b"\0" not in os.fsencode(path) and all(len(os.fsencode(part)) < 256 for part in path.parts)
    except UnicodeEncodeError:  # half of a character
        usable = False
    if not usable:
        raise InputError(f"No file can have the name {str(path)[:60]!r}…; choose a short one of ordinary characters.")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder and holds it for this process. Raises `InputError` while another one does, and as `check_output`.

    A kill releases it. The same process may hold it twice. A new folder that is still empty at the end is removed.
    """
    from filelock import FileLock, Timeout  # not needed for answering

    check_output(folder)
    new = not folder.exists()
    with file_errors(f"{folder} cannot be written", "choose another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.resolve() / ".lock", timeout=0, is_singleton=True, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            message = f"Another process is writing to {folder}; wait until it has finished, or choose another folder."
            raise InputError(message) from None
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            with suppress(OSError):  # Windows removes no open file
                os.unlink(lock.lock_file)
        lock.release()
        if new and not lock.is_locked:
            with suppress(OSError):  # not empty
                folder.rmdir()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path with the same suffix, to be written; at the end it replaces `path`. An error changes nothing.

    Raises `InputError` if there is something else than a file, such as a device."""
    _check_name(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file and cannot be replaced; name another file.")
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename = str(path)  # the name that the user knows
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path, mark: str) -> Iterator[Path]:
    """A new folder to fill; at the end it replaces `folder`. An error before that changes nothing there.

    mark: a file in every such folder. Raises `InputError` as `check_output`, and if another process writes it.
    A kill between the last two renames leaves the old content beside it, as `old_folder` names it.
    """
    check_output(folder, mark)
    temporary, old = folder.with_name(f".{folder.name}.new"), old_folder(folder)
    with locked(temporary):
        for path in temporary.iterdir():
            if path.name != ".lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        new = temporary / "new"
        new.mkdir()
        try:
            yield new
            shutil.rmtree(old, ignore_errors=True)
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    with suppress(OSError):  # another process is the next
        temporary.rmdir()


def old_folder(folder: Path) -> Path:
    """Where the content of a folder is while it is replaced."""
    return folder.with_name(f".{folder.name}.old")


def read_json(path: Path, advice: str, kind: Any = dict) -> Any:
    """The object in a JSON file, as a dictionary or as the dataclass `kind`, whose types are checked.

    Raises `InputError` for a file that cannot be read, is no JSON, is nested too deeply, or holds something else.
    """
    with file_errors(f"{path} cannot be read", advice):
        text = path.read_bytes()
    try:
        if kind is not dict:
            from pydantic import TypeAdapter  # not needed for answering

            return TypeAdapter(kind).validate_json(text, strict=True)
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # pydantic's is a ValueError, too
        reason = " ".join(str(error).split("\n")[:3])
        raise InputError(f"{path} cannot be read ({reason:.200}); {advice}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object; {advice}.")
    return content


def write_json(path: Path, content: object) -> None:
    """Write indented JSON, whole or not at all."""
    with whole_file(path) as new:
        new.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
