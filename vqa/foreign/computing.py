"""What the methods of a foreign model that compute have in common."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

from vqa.foreign import Refused
from vqa.model.errors import InputError, reason

F = TypeVar("F", bound=Callable[..., Any])


def computing(method: F) -> F:
    """A method of an object with a `name`, without gradients; what transformers raises becomes a `Refused`.

    It raises almost anything: for a chat template or a processor that does not fit the model, or for a photo of an
    extreme shape.
    """

    @functools.wraps(method)
    def computed(self: Any, *values: Any, **named: Any) -> Any:
        try:
            with torch.inference_mode():
                return method(self, *values, **named)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            message = f"The model {self.name} cannot answer this ({reason(error):.200})"
            raise Refused(f"{message}; try another photo, or copy the model's whole folder again.") from error

    return cast(F, computed)
