"""The one error that a user is meant to read."""


class InputError(ValueError):
    """Bad input, told in one sentence: what is wrong, where, and how to mend it.

    The command line prints the sentence and ends with exit code 2; the app shows it in the page.
    """


def missing(error: ModuleNotFoundError) -> InputError | None:
    """What to tell where a package is not installed, as in an installation without PyTorch; None for our own modules,
    whose absence is nobody's input."""
    package = (error.name or "").split(".")[0]
    if package in ("", "vqa", "ui", "train"):
        return None
    if package in ("torch", "torchvision", "timm", "transformers", "safetensors"):
        return InputError(f"This needs PyTorch ({package} is not installed here); run: pip install glimpse-vqa.")
    if package in ("accelerate", "jsonargparse", "tensorboard"):
        return InputError(f"This needs {package}, which is not installed here; run: pip install 'glimpse-vqa[train]'.")
    return InputError(f"This needs {package}, which is not installed here; run: pip install {package}.")
