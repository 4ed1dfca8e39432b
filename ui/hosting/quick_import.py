"""Import gradio without the type stubs that it would write anew for each of its classes in every process.

They take half of the import's time (more below Python 3.12), and of use they are to editors alone.
"""

import inspect
import os
import threading
from typing import Any
from unittest.mock import patch

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported


getfile, thread = inspect.getfile, threading.get_ident()


def unknown(thing: Any) -> str:
    if threading.get_ident() == thread:  # others may import other packages meanwhile
        raise OSError("The stub is not written.")  # for gradio a class whose file is unknown, which has no stub
    return getfile(thing)


with patch.object(inspect, "getfile", unknown):
    import gradio  # noqa: F401
