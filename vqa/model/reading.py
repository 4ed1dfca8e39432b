"""Photos and questions as numbers: what every runtime reads alike. Needs no PyTorch."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from .errors import InputError
from .photos import open_photo

MAX_QUESTION_CHARACTERS = 300


def square(photo: Any, size: int) -> np.ndarray:
    """Any photo that `open_photo` takes, resized whole to `(S, S, 3)` bytes."""
    image = open_photo(photo, shortest_side=size)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(image)


def encode(tokenizer: Tokenizer, questions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Questions to `input_ids` and `attention_mask`, each `(B, T)` int64 with T the longest question's words.

    Raises `InputError` for a question without words or with too many characters.
    """
    encodings = tokenizer.encode_batch([check_question(q) for q in questions])
    for question, encoding in zip(questions, encodings, strict=True):
        if not encoding.ids:
            raise InputError(f"The question {short(question)} has no words; ask in plain words.")
    lengths = np.array([len(encoding.ids) for encoding in encodings])
    mask = np.arange(lengths.max()) < lengths[:, None]
    input_ids = np.zeros(mask.shape, np.int64)
    input_ids[mask] = [i for encoding in encodings for i in encoding.ids]
    return input_ids, mask.astype(np.int64)


def words(tokenizer: Tokenizer, question: str) -> tuple[list[str], list[str]]:
    """The question's words as the model reads them, one a step, and those among them that are unknown."""
    question = unicodedata.normalize("NFC", question)  # an accent typed apart stays with its letter
    encoding = tokenizer.encode(question)
    found = [question[start:end] for start, end in encoding.offsets]
    unknown = tokenizer.token_to_id(tokenizer.model.unk_token)
    return found, [word for word, i in zip(found, encoding.ids, strict=True) if i == unknown]


def check_known(question: str, found: Sequence[str], unknown: Sequence[str]) -> None:
    """Raise an `InputError` if the model knows none of a question's words; these two are what `words` gives."""
    if len(unknown) == len(found):
        raise InputError(f"The model knows none of the words in {short(question)}; ask in plain English words.")


def check_question(question: str) -> str:
    """The question itself, or an `InputError` that says why it cannot be asked."""
    if not isinstance(question, str):
        raise InputError(f"A question is text, not {type(question).__name__}; ask in plain words.")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InputError(
            f"The question has {len(question):,} characters; at most {MAX_QUESTION_CHARACTERS} can be read, "
            "so ask it more briefly."
        )
    if any("\ud800" <= character <= "\udfff" for character in question):  # bytes that were no UTF-8
        raise InputError(f"The question {short(question)} cannot be read as text; type it again as UTF-8.")
    if not question.strip():
        raise InputError("The question is empty; ask in plain words, such as 'what is on the table?'.")
    return question


def short(text: str, length: int = 40) -> str:
    """`text` in quotes, cut for a message."""
    return repr(text if len(text) <= length else text[: length - 1] + "…")
