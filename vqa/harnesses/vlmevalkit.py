"""Glimpse as a model of VLMEvalKit (https://github.com/open-compass/VLMEvalKit, Python package `vlmeval`).

VLMEvalKit looks its models up in the dictionary `vlmeval.config.supported_VLM`; `register` adds Glimpse.
With the package from the index (`ms-vlmeval`, written for 0.0.20),
`python -m vqa.harnesses.vlmevalkit --data DATASET --model Glimpse` registers it and starts the harness. In a
clone of its repository, call `register()` at the end of `vlmeval/config.py` and start `run.py` as usual.

Importing this module imports VLMEvalKit, if it is installed, which disables certificate checks in Python's `urllib`
for the whole process: import this module for an evaluation only.
"""

import argparse
import importlib.util
import logging
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from vqa.harnesses import plain_question
from vqa.model.errors import InputError
from vqa.predict import VQA

Message = Sequence[dict[str, str]]
NAME = "Glimpse"

Base: Any = object  # without the harness, such as in a test of `generate_inner`
if importlib.util.find_spec("vlmeval"):
    Base = importlib.import_module("vlmeval.vlm.base").BaseModel


class Glimpse(Base):
    """Answers the question of a message about its photo.

    A message is a list of `{"type": "image", "value": path}` and `{"type": "text", "value": text}`. As for every
    model of the harness that reads one photo, the first one is used and the texts are joined. A question or a photo
    that cannot be read gets an empty answer, and a warning with their number so far.

    pretrained, device, dtype: the arguments of `VQA.load`, which raises `InputError` for a wrong one.
    """

    INTERLEAVE = False
    allowed_types = ("text", "image")

    def __init__(self, pretrained: str | None = None, device: str = "auto", dtype: str = "auto"):
        super().__init__()
        self.vqa = VQA.load(pretrained, device=device, dtype=dtype)
        self.unanswered = 0

    def generate_inner(self, message: Message, dataset: str | None = None) -> str:
        """The best answer; the data set's name is not used."""
        photos = [part["value"] for part in message if part["type"] == "image"]
        prompt = "\n".join(part["value"] for part in message if part["type"] == "text")
        try:
            if not photos:
                raise InputError("The message has no photo; add a part of type 'image'.")
            return self.vqa.ask(photos[0], plain_question(prompt), top=1).text
        except InputError as error:
            self.unanswered += 1
            logging.getLogger(__name__).warning("Unanswered so far: %d; now: %s", self.unanswered, error)
            return ""


def register(name: str = NAME, **settings: Any) -> None:
    """Add the model to `vlmeval.config.supported_VLM`; settings: the arguments of `Glimpse`."""
    from vlmeval.config import supported_VLM

    supported_VLM[name] = partial(Glimpse, **settings)


def main() -> None:
    """Start VLMEvalKit with Glimpse among its models; all arguments but these three are passed on."""
    parser = argparse.ArgumentParser(prog="python -m vqa.harnesses.vlmevalkit", add_help=False, allow_abbrev=False)
    for name, default in (("pretrained", None), ("device", "auto"), ("dtype", "auto")):
        parser.add_argument(f"--{name}", default=default)
    settings, sys.argv[1:] = parser.parse_known_args()
    register(**vars(settings))
    from vlmeval.run import main as run

    run()


if __name__ == "__main__":
    main()
