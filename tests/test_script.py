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


def raising(error: BaseException) -> Callable[[argparse.Namespace], None]:
    def command(_: argparse.Namespace) -> None:
        raise error

    return command


def test_a_process_ends_without_collecting_garbage() -> None:
    before = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0))"  # called after later ones
    code = f"{before}; from vqa.script import report; raise SystemExit(report('draw', lambda: print('drawn')))"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout == "drawn\nTrue\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("There is no photo; give one."), "There is no photo; give one."),
        (FileNotFoundError(2, "No such file or directory", "a/b"), "a/b cannot be read or written (No such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ModuleNotFoundError("no", name="onnx"), "pip install onnx"),
        (MemoryError(), "The memory is not enough"),
        (
            InputError("There is no \x1b]0;owned\x07\x1b[31mphoto.jpg."),
            "There is no \ufffd]0;owned\ufffd\ufffd[31mphoto",
        ),
    ],
)
def test_an_error_is_one_sentence(error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argparse.ArgumentParser(prog="draw"), raising(error), []) == 2
    out, reported = capsys.readouterr()
    assert out == "" and reported.startswith("draw: ") and sentence in reported and reported.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("a defect"), ModuleNotFoundError("no", name="vqa.nothing"), OSError("x")])
def test_a_defect_is_not_hidden(error: Exception) -> None:
    with pytest.raises(type(error)):
        run(argparse.ArgumentParser(prog="draw"), raising(error), [])


def test_ctrl_c_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argparse.ArgumentParser(prog="draw"), raising(KeyboardInterrupt()), []) == 130
    assert capsys.readouterr() == ("", "")


def test_arguments_reach_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser(prog="draw")
    parser.add_argument("--scenes", type=int)
    assert run(parser, lambda given: print(given.scenes), ["--scenes", "3"]) == 0
    assert capsys.readouterr().out == "3\n"


def test_ctrl_c_ends_quietly_where_a_library_turns_it_into_another_error(capsys: pytest.CaptureFixture[str]) -> None:
    def command(_: argparse.Namespace) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy failed to import") from None

    before = signal.getsignal(signal.SIGINT)
    assert run(argparse.ArgumentParser(prog="draw"), command, []) == 130
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
    done = subprocess.run(
        [sys.executable, "-c", prepare + code], capture_output=True, text=True, check=True, env=environment
    )
    assert (int(done.stdout) > 10_000_000) is cleared
