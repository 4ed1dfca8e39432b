"""The error whose message is written for the user."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed


class InputError(ValueError):
    """Bad input. The message is one sentence: what is wrong, where, and how to fix it.

    The command line prints the sentence and ends with exit code 2; the app shows it in the page.
    """


def printable(text: str) -> str:
    """The text without characters that control a terminal, which a file's name, an answer or a question may hold."""
    return _CONTROL.sub("\ufffd", text)


def reason(error: BaseException) -> str:
    """An error of a library in a message: the first line of its text, or its type if it has none."""
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__


def missing(error: ModuleNotFoundError) -> InputError | None:
    """The error for a package that is not installed, such as PyTorch in the light installation; None for our own
    modules, whose absence is a defect."""
    package = (error.name or "").split(".")[0]
    if package in ("", "vqa", "ui", "train", "tools"):
        return None
    if package in ("torch", "torchvision", "timm", "transformers", "safetensors"):
        return InputError(f"This needs PyTorch ({package} is not installed here); run: pip install glimpse-vqa.")
    extras = {"accelerate": "train", "jsonargparse": "train", "tensorboard": "train", "ray": "scale"}
    wanted = f"'glimpse-vqa[{extras[package]}]'" if package in extras else package
    return InputError(f"This needs {package}, which is not installed here; run: pip install {wanted}.")
