"""The vocabulary of captions."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from vqa.model.errors import InputError

PAD, UNKNOWN, START, END = range(4)
SPECIAL = 4
# As the Penn Treebank has them: clitics apart, hyphens inside a word remain, punctuation is dropped.
WORD = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b|[a-z0-9]+?(?=n't\b)|[a-z0-9]+(?:-[a-z0-9]+)*")

# Words that a caption may repeat. A model that repeats another one often loops ("a red red and red red").
AGAIN = frozenset(
    """a an the of and or on in at to with by for from is are was has have his her its their that which who it up down
    out off next near two three into over under top front back side other another one as some each while around
    through against four 's n't""".split()  # noqa: SIM905 (as read)
)


def split(text: str) -> list[str]:
    """The words of a text, in lower case, without punctuation."""
    return WORD.findall(text.lower().replace("\u2019", "'"))


class Words:
    """A vocabulary; the numbers 0 to 3 are padding, an unknown word, START and END; `once`: the numbers of
    the words that a caption has at most once.

    Raises `InputError` if it is empty or has a word twice.
    """

    def __init__(self, words: Sequence[str]):
        if not words or len(set(words)) != len(words):
            raise InputError("The captioner's vocabulary is empty or has a word twice; copy the checkpoint again.")
        self.words = list(words)
        self.index = {word: number for number, word in enumerate(self.words, SPECIAL)}
        self.size = SPECIAL + len(self.words)
        self.once = [number for word, number in self.index.items() if word not in AGAIN]

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 5) -> "Words":
        """The words that occur in the captions `min_count` times or more, the most common first."""
        count = Counter(word for caption in captions for word in split(caption))
        return cls(sorted((w for w, n in count.items() if n >= min_count), key=lambda w: (-count[w], w)))

    def encode(self, caption: str, most: int = 20) -> list[int]:
        """The numbers of the first `most` words, between START and END."""
        return [START, *(self.index.get(word, UNKNOWN) for word in split(caption)[:most]), END]

    def word(self, number: int) -> str:
        return self.words[number - SPECIAL]

    def text(self, numbers: Iterable[int]) -> str:
        """A readable line; clitics are attached to the word before them."""
        return re.sub(r" (?='|n't\b)", "", " ".join(self.word(number) for number in numbers))
