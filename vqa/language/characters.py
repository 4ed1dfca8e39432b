"""The characters that a model reads and writes, and their numbers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vqa.model.errors import InputError

PADDING, START, END, UNKNOWN = range(4)
"""START precedes a text and END follows it (in a file of lines both are the newline)."""

SPECIAL = 4
REPLACEMENT = "\ufffd"


class Characters:
    """A vocabulary of single characters (Unicode code points), case-sensitive, spaces included.

    characters: number `SPECIAL + i` stands for the i-th of them. size: how many numbers there are, special ones
    included. Raises `InputError` unless they are distinct single characters.
    """

    def __init__(self, characters: Sequence[str]):
        self._characters = list(characters)
        self._ids = {character: SPECIAL + i for i, character in enumerate(self._characters)}
        self.size = SPECIAL + len(self._characters)
        if len(self._ids) < len(self._characters) or any(not isinstance(c, str) or len(c) != 1 for c in self._ids):
            raise InputError("A character vocabulary is a list of distinct single characters; copy the model again.")

    @classmethod
    def build(cls, texts: Iterable[str], most: int = 256) -> Self:
        """The `most` common characters of the texts, which may be one stream in blocks; ties by code point."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return cls([c for c, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]])

    def unknown(self, text: str) -> list[str]:
        """The text's distinct characters outside the vocabulary, without spaces."""
        return [c for c in dict.fromkeys(text) if c not in self._ids and not c.isspace()]

    def encode(self, text: str) -> list[int]:
        """A number a character, UNKNOWN for one outside the vocabulary; START and END are not added."""
        return [self._ids.get(character, UNKNOWN) for character in text]

    def encode_batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The numbers of several texts `(B, T)`, padded on the right, and their lengths `(B,)`."""
        rows = [torch.tensor(self.encode(text)) for text in texts]
        return pad_sequence(rows, batch_first=True, padding_value=PADDING), torch.tensor([len(row) for row in rows])

    def decode(self, ids: Iterable[int]) -> str:
        """The text, without padding, START and END; an unknown character is written as U+FFFD."""
        written = ["", "", "", REPLACEMENT, *self._characters]
        return "".join(written[int(i)] for i in ids)

    def encode_array(self, text: str) -> np.ndarray:
        """As `encode`, fast for megabytes: uint16 `(len(text),)`."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        ids = np.full(0x110000, UNKNOWN, np.uint16)
        ids[[ord(c) for c in self._characters]] = np.arange(SPECIAL, self.size, dtype=np.uint16)
        return ids[codes]

    def to_list(self) -> list[str]:
        """The characters in their order, for a configuration in JSON."""
        return list(self._characters)


def check_text(text: str, most: int) -> None:
    """Raises `InputError` for a text of more than `most` characters, or of bytes that were not UTF-8."""
    if len(text) > most:
        raise InputError(f"The text has {len(text):,} characters; at most {most} can be read.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError("The text has bytes that are not UTF-8; type it again.")
