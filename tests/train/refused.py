"""What a command that cannot start says."""

import io
from collections.abc import Callable
from contextlib import redirect_stderr


def refused(main: Callable[[list[str]], int], *arguments: object) -> str:
    """The one sentence on standard error with which a command refuses its arguments."""
    with redirect_stderr(io.StringIO()) as errors:
        assert main([str(argument) for argument in arguments]) == 2
    sentence = errors.getvalue()
    assert sentence.count("\n") == 1 and sentence.endswith(".\n")
    return sentence
