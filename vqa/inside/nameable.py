"""Features that a unit may follow: properties of a word or a letter that a person can name."""

import re
from collections.abc import Sequence

import numpy as np

COLOURS = "red orange yellow green blue purple violet pink brown black white gray grey tan beige gold silver"
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve 0 1 2 3 4 5 6 7 8 9 10 11 12"
ASKING = "what which who whose whom where when why how"
YES_OR_NO = "is are was were am do does did can could has have had will would should isn't aren't doesn't don't"
VOWELS = "aeiou"
PIECES = re.compile(r"[^\W_]+(?:'[^\W_]+)*|.", re.DOTALL)

Features = dict[str, np.ndarray]
"""By name, a value a step: true or false, or a number."""


def pieces(text: str) -> list[str]:
    """Words, and every other character by itself; together they are the text."""
    return PIECES.findall(text)


def nameable(texts: Sequence[Sequence[str]], letters: bool) -> Features:
    """The features of every step of the texts, one text after the other, each `(N,)`.

    texts: words, for a model whose steps are words; with `letters` the result of `pieces`, for one that reads
    characters. A feature of a word holds for all its letters. "after" means at any later step, "right after" in the
    next word.
    """
    piece = np.array([p.lower() for text in texts for p in text])
    text = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    start = np.flatnonzero(np.diff(text, prepend=-1))[text]  # where the text of each piece begins
    word = np.array([p[0].isalnum() for p in piece])
    number = np.cumsum(word) - (np.cumsum(word) - word)[start]  # of the word in its text, from 1
    last = np.zeros(len(texts), int)
    np.maximum.at(last, text, number)

    def before(flag: np.ndarray) -> np.ndarray:
        """Whether the word before, in the same text, has it."""
        result, places = np.zeros_like(word), np.flatnonzero(word)
        result[places[1:]] = flag[places[:-1]] & (text[places[1:]] == text[places[:-1]])
        return result

    def after(flag: np.ndarray) -> np.ndarray:
        """Whether any piece before, in the same text, has it."""
        sofar = np.cumsum(flag) - flag
        return sofar > sofar[start]

    first = word & (number == 1)
    colour, asking = np.isin(piece, COLOURS.split()), np.isin(piece, ASKING.split())
    features: Features = {
        "colour word": colour,
        "after a colour word": after(colour),
        "number word": np.isin(piece, NUMBERS.split()),
        "question word": asking,
        "right after a question word": before(asking),
        "after 'how many'": after((piece == "many") & before(piece == "how")),
        "after a first word such as 'is' or 'does'": after(first & np.isin(piece, YES_OR_NO.split())),
        "first word": first,
        "last word": word & (number == last[text]),
    }
    if not letters:
        return features | {"position": np.arange(len(text)) - start, "letters in the word": np.char.str_len(piece)}

    size = np.char.str_len(piece)
    of = np.repeat(np.arange(len(piece)), size)  # the piece of each character
    begin = np.cumsum(size) - size
    place = np.arange(len(of)) - begin[of]  # in its piece, from 0
    sign = np.array(list("".join(piece)))
    position = np.arange(len(of)) - begin[start[of]]
    return {name: flag[of] for name, flag in features.items()} | {
        "last character": np.diff(text[of], append=-1) != 0,
        "space": np.char.isspace(sign),
        "vowel": np.isin(sign, list(VOWELS)),
        "first letter of a word": word[of] & (place == 0),
        "second letter of a word": word[of] & (place == 1),
        "third letter of a word": word[of] & (place == 2),
        "letters of the word so far": np.where(word[of], place + 1, 0),
        "position": position,
    }
