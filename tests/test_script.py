"""How scripts end: exit codes, and one sentence for each error."""

import argparse
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from vqa.model.errors import InputError
from vqa.script import run

Command = Callable[[argparse.Namespace], None]
DRAW = argparse.ArgumentParser(prog="draw")


def raising(error: BaseException) -> Command:
    def command(_: argparse.Namespace) -> None:
        raise error

    return command


def test_a_process_ends_without_collecting_garbage() -> None:
    before = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0))"  # called after later ones
    code = f"{before}; from vqa.script import report; raise SystemExit(report('draw', lambda: print('drawn')))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "drawn\nTrue\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("There is no photo; give one."), "There is no photo; give one."),
        (FileNotFoundError(2, "No such file or directory", "a/b"), "a/b cannot be read or written (No such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ModuleNotFoundError("no", name="onnx"), "pip install onnx"),
        (MemoryError(), "The memory is not enough"),
        (InputError("No \x1b]0;owned\x07\x1b[31mphoto.jpg."), "No \ufffd]0;owned\ufffd\ufffd[31mphoto"),
    ],
)
def test_an_error_is_one_sentence(error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(DRAW, raising(error), []) == 2
    out, reported = capsys.readouterr()
    assert out == "" and reported.startswith("draw: ") and sentence in reported and reported.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("a defect"), ModuleNotFoundError("no", name="vqa.nothing"), OSError("x")])
def test_a_defect_is_not_hidden(error: Exception) -> None:
    with pytest.raises(type(error)):
        run(DRAW, raising(error), [])


def in_a_library(_: argparse.Namespace) -> None:
    """Ctrl-C that a library turns into another error."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("numpy failed to import") from None


@pytest.mark.parametrize("command", [raising(KeyboardInterrupt()), in_a_library])
def test_ctrl_c_ends_quietly(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert run(DRAW, command, []) == 130
    assert capsys.readouterr() == ("", "") and signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep freed memory")
@pytest.mark.parametrize(
    ("prepare", "cleared"), [("", True), ("from vqa.script import reuse_memory; reuse_memory()", False)]
)
def test_freed_memory_is_used_again(prepare: str, cleared: bool) -> None:
    """The pages that the system clears for the second of two arrays of 100 MB, one after the other."""
    code = """
import resource
import numpy as np
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(100_000_000, np.uint8)
before = faults()
np.ones(100_000_000, np.uint8)
print((faults() - before) * resource.getpagesize())
"""
    environment = {"NUMPY_MADVISE_HUGEPAGE": "0", "PATH": os.environ["PATH"]}
    pages = subprocess.check_output([sys.executable, "-c", prepare + code], env=environment)
    assert (int(pages) > 10_000_000) is cleared
