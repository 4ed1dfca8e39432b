"""Glimpse as a model of the evaluation harnesses lmms-eval and VLMEvalKit.

Importing this package imports neither harness, nor torch.
"""

import re
from typing import Any

_PICTURE = re.compile(r"<image(?: ?\d+)?>")
_OPENING = re.compile(r"\A(?:hint:[^\n]*\n)?\s*(?:question|q):\s*", re.IGNORECASE)
# Instructions for a chat model: they begin on a new line or after a sentence, and run to the end.
_INSTRUCTION = re.compile(
    r"""(?: (?:\n|(?<=[?.!]))\s*
            (?: (?:please\s+|only\s+)?(?:answer|respond|reply|give|provide|select|choose)\b
              | (?:short\s+)?answer: | options: | choices: | \(?a[.):]\s )
            .*
          | \s(?:short\s+)?answer:\s*
        )\Z""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def plain_question(prompt: str, before: str = "", after: str = "") -> str:
    r"""The question alone, out of a prompt written for a chat model.

    Glimpse answers in a word or two anyway, and would read an instruction or a list of options as words of the
    question.

    prompt: the question, perhaps with "Question:", `<image>` marks, options and instructions around it.
    before, after: texts that the harness has added before and after the question.

    >>> plain_question("What is it?\nAnswer the question using a single word or phrase.")
    'What is it?'
    """
    question = _PICTURE.sub(" ", prompt.removeprefix(before).removesuffix(after)).strip()
    question = _OPENING.sub("", question)
    return _INSTRUCTION.sub("", question).strip() or question


def lmms_eval_models() -> Any:
    """The entry point in the group `lmms_eval.models`: the manifest of the model `glimpse`."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest("glimpse", simple_class_path="vqa.harnesses.lmms_eval.Glimpse")
