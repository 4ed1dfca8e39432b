"""JSON documents that are read whole."""

import json
from pathlib import Path
from typing import Any

from vqa.model.errors import InputError


def read_document(path: Path) -> Any:
    """The content of a JSON file. Raises `InputError` if it cannot be read or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check its name and place.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): fetch it again or mend it.") from error
