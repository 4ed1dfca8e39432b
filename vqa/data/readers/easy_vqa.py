"""easy-VQA: drawn shapes of 64 x 64 pixels with simple questions, from its PyPI package (MIT licence).

Source: https://github.com/vzhou842/easy-VQA.
"""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.model.errors import InputError


def read_easy_vqa(split: str) -> Iterator[Example]:
    """Yields the examples of the split "train" (38,575 questions) or "test" (9,673).

    The photos stay in the package's folder; `image` is their full path. Raises `InputError` if the package is not
    installed or there is no such split.
    """
    if split not in ("train", "test"):
        raise InputError(f"easy-VQA has no split '{split}': choose easy-vqa:train or easy-vqa:test.")
    package = importlib.util.find_spec("easy_vqa")  # not imported: only its folder is needed
    if package is None or package.origin is None:
        raise InputError("The data set easy-VQA is not installed: run `pip install easy-vqa`.")
    folder = Path(package.origin).parent / "data" / split
    path = folder / "questions.json"
    try:
        questions = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: run `pip install --force-reinstall easy-vqa`.") from error
    for position, (question, answer, image_id) in enumerate(questions):
        row = {
            "image": f"{folder}/images/{image_id}.png",
            "question": question,
            "answer": answer,
            "question_id": position,
            "image_id": image_id,
            "source": "easy-vqa",
        }
        yield example_from_dict(row, f"Entry {position + 1} of {path}")
