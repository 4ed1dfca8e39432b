"""What every command and script shares: errors as one sentence on standard error, and exit codes."""

import argparse
import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from vqa.model.errors import InputError, missing, printable

PARTLY, BAD_INPUT, INTERRUPTED = 1, 2, 130
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)
KEPT = 2**30  # bytes of freed memory
COLLECT = 50_000  # new objects; with Python's 700, collecting garbage took a tenth of the imports' time


class PartlyFailed(Exception):
    """Some of many photos or questions failed, and each has been reported; the message counts them."""


class Parser(argparse.ArgumentParser):
    """Takes photos and questions before, between and after options, which `ArgumentParser` alone does not."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        given, further = self.parse_known_args(args, namespace)
        if further and (not hasattr(given, "inputs") or any(text[:1] == "-" != text for text in further)):
            self.error(f"unrecognized arguments: {' '.join(further)}")
        if further:
            given.inputs += further
        return given


def add_engine(add: Callable[..., Any]) -> None:
    """The arguments of a run by `vqa.scale`."""
    add("--engine", choices=["ray"], help="compute by several processes or machines (needs the extra scale)")
    add("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes of --engine (default: CPUs)")


def run(
    parser: argparse.ArgumentParser,
    command: Callable[[argparse.Namespace], object],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the arguments (default: those of the process), call `command` with them, and return the exit code.

    0: done; 1: done except for some of many (`PartlyFailed`); 2: bad input, a missing package or a file that cannot be
    used, reported in one sentence; 130: Ctrl-C.
    """
    return report(parser.prog, lambda: command(parser.parse_args(arguments)))


def report(program: str, command: Callable[[], object]) -> int:
    """Call `command`, report what fails in one sentence that begins with the program's name, and return the exit code
    (see `run`)."""
    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    before = None
    with suppress(ValueError, AttributeError):  # another thread than the main one, or a stream that is no file
        before = signal.signal(signal.SIGINT, interrupt)
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    reuse_memory()
    gc.set_threshold(COLLECT)
    atexit.register(gc.freeze)  # with PyTorch loaded, collecting garbage took the end of a process half a second
    try:
        command()
        sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:
        if interrupted or isinstance(error, KeyboardInterrupt):
            return INTERRUPTED  # also where an import or an export has raised something else instead
        if (message := explain(error)) is None:
            raise
        print(f"{program}: {printable(message)}", file=sys.stderr)
        return PARTLY if isinstance(error, PartlyFailed) else BAD_INPUT
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def reuse_memory() -> None:
    """Let this process use freed memory again.

    By default glibc returns each large tensor to the system when it is freed, and clearing the pages of the next one
    took a third of the time of encoding photos (docs/performance.md).
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(AttributeError):  # other C libraries have no mallopt
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, KEPT)


def explain(error: BaseException) -> str | None:
    """An error of the user's or of the file system as a sentence; None for a defect."""
    if isinstance(error, InputError | PartlyFailed):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return str(explained) if (explained := missing(error)) else None
    if isinstance(error, OSError) and error.strerror is not None:  # else it is not from the file system
        return f"{error.filename or 'A file'} cannot be read or written ({error.strerror}); give another path."
    if isinstance(error, MemoryError):
        return "The memory is not enough for this; give less at once, or smaller sizes."
    return None
