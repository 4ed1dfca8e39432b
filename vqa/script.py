"""What every command and script shares: errors as one sentence on standard error, and exit codes."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from vqa.model.errors import InputError, missing

PARTLY, BAD_INPUT, INTERRUPTED = 1, 2, 130


class PartlyFailed(Exception):
    """Some of many photos or questions failed, and each has been reported; the message counts them."""


def run(
    parser: argparse.ArgumentParser,
    command: Callable[[argparse.Namespace], object],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the arguments (default: those of the process), call `command` with them, and return the exit code.

    0: done; 1: done except for some of many (`PartlyFailed`); 2: bad input, a missing package or a file that cannot be
    used, reported in one sentence; 130: Ctrl-C.
    """
    given = parser.parse_args(arguments)
    try:
        command(given)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except PartlyFailed as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return PARTLY
    except InputError as error:
        message = str(error)
    except ModuleNotFoundError as error:
        if (explained := missing(error)) is None:
            raise
        message = str(explained)
    except OSError as error:
        if error.strerror is None:  # not from the file system
            raise
        message = f"{error.filename or 'A file'} cannot be read or written ({error.strerror}); give another path."
    print(f"{parser.prog}: {message}", file=sys.stderr)
    return BAD_INPUT
