"""Files and folders that appear whole or not at all: written beside their place, then renamed into it."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vqa.model.errors import InputError


@contextmanager
def file_errors(failure: str, advice: str) -> Iterator[None]:
    """Turns an `OSError` into an `InputError`: what failed ("a.csv cannot be read"), the reason, how to correct it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{failure}: {error.strerror}; {advice}.") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path with the same suffix, to be written; at the end it replaces `path`. An error changes nothing."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder to fill; at the end it replaces `folder`. An error before that changes nothing there.

    A kill between the last two renames leaves the old content in `folder` with the suffix `.old`.
    """
    temporary, old = (folder.with_name(folder.name + suffix) for suffix in (".new", ".old"))
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, content: object) -> None:
    """Write indented JSON, whole or not at all."""
    with whole_file(path) as new:
        new.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
