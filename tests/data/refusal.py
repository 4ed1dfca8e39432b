"""The message of a call that must report an error."""

from collections.abc import Callable

import pytest

from vqa.model.errors import InputError


def refusal(function: Callable[..., object], *arguments: object, **named: object) -> str:
    """The message of the `InputError` that the call raises: one line, one sentence, not too long."""
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and len(message) < 500
    return message
