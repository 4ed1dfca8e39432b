"""Typing noise: the slips of fingers, ears and memory that a repairer learns to mend.

What is known of them: four in five mistyped words have one slip, a letter too few, too many, another or two swapped
(Damerau 1964); the first letter is hit seldom (1 to 15% in the counts that Kukich 1992 compares); a key that is hit by
mistake is mostly a neighbour (Grudin 1983). The shares below are our choice in view of these; words that are spelled as
they sound are fewer, since such questions are short and of common words.
"""

import random
import re
from collections.abc import Callable

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# Each key's neighbours: those in its row, and those that it touches above and below.
NEIGHBOURS = {
    key: "".join(
        other[k]
        for r, other in enumerate(ROWS)
        if abs(r - row) <= 1
        for k in {row: (i - 1, i + 1), row - 1: (i, i + 1), row + 1: (i - 1, i)}[r]
        if 0 <= k < len(other)
    )
    for row, keys in enumerate(ROWS)
    for i, key in enumerate(keys)
}

FIRST = 0.08  # of the slips hit the first letter of a longer word
SECOND = 0.15  # of the slips are followed by another one in the same word
SPACE = 0.15  # of a word's rate is that of the space before it
SHARES = {"miss": 0.27, "slip": 0.2, "swap": 0.2, "extra": 0.1, "double": 0.1, "sound": 0.13}

COMMON = {
    "are": ("r", "ar"),
    "because": ("becuase", "cuz"),
    "beautiful": ("beutiful",),
    "bicycle": ("bycicle", "bicicle"),
    "building": ("bulding", "biulding"),
    "clothes": ("cloths", "close"),
    "color": ("colur", "coler"),
    "does": ("dose", "dos"),
    "doing": ("doin",),
    "eating": ("eatin",),
    "giraffe": ("girafe", "giraff", "jiraffe"),
    "hydrant": ("hydrent",),
    "its": ("it's",),
    "many": ("meny",),
    "of": ("off",),
    "people": ("ppl", "peaple", "poeple"),
    "picture": ("pic", "pitcure"),
    "restaurant": ("restaraunt", "resturant"),
    "right": ("rite",),
    "their": ("thier", "there"),
    "there": ("thare", "their"),
    "they": ("thay", "thy"),
    "to": ("too",),
    "umbrella": ("umbrela", "umberella"),
    "vegetable": ("vegtable",),
    "vegetables": ("vegtables",),
    "wearing": ("waring", "wering"),
    "weather": ("wether",),
    "what": ("wat", "wut", "waht"),
    "where": ("were", "wher"),
    "which": ("wich", "witch"),
    "with": ("wiht", "w"),
    "you": ("u",),
    "your": ("ur",),
}
# Spelled as it sounds, or as a rule half remembered: pattern and what is written for it.
SOUNDS = [
    (re.compile(pattern), written)
    for pattern, written in (
        (r"([a-z])\1", r"\1"),
        (r"ie", "ei"),
        (r"ei", "ie"),
        (r"ph", "f"),
        (r"\bwh", "w"),
        (r"ck", "k"),
        (r"c(?=[aou])", "k"),
        (r"c(?=[eiy])", "s"),
        (r"tion", "shun"),
        (r"ea", "ee"),
        (r"ee", "ea"),
        (r"ight", "ite"),
        (r"(?<=[a-z])er\b", "or"),
        (r"(?<=[a-z])or\b", "er"),
        (r"(?<=[a-z])le\b", "el"),
        (r"(?<=[a-z])ing\b", "in"),
        (r"(?<=[a-z]{2})e\b", ""),
        (r"(?<=[b-df-hj-np-tv-z])a(?=[b-df-hj-np-tv-z])", "e"),
        (r"(?<=[b-df-hj-np-tv-z])e(?=[b-df-hj-np-tv-z])", "a"),
        (r"(?<=[b-df-hj-np-tv-z])i(?=[b-df-hj-np-tv-z])", "e"),
        (r"(?<=[b-df-hj-np-tv-z])o(?=[b-df-hj-np-tv-z])", "u"),
        (r"(?<=[b-df-hj-np-tv-z])u(?=[b-df-hj-np-tv-z])", "o"),
        (r"y\b", "ie"),
        (r"z", "s"),
        (r"s\b", "z"),
    )
]


def mistype(text: str, generator: random.Random, rate: float) -> str:
    """The text as somebody may type it who slips in `rate` of the longer words (less in those below four letters).

    Spaces go missing, or come a letter late, too. A slip may leave the text as it is, or make another real word.
    """
    words = text.split(" ")
    for i, word in enumerate(words):
        if generator.random() < rate * min(1.0, len(word) / 4):
            words[i] = slip(word, generator)
            while generator.random() < SECOND:
                words[i] = slip(words[i], generator)
    typed = words[0]
    for word in words[1:]:
        if generator.random() >= rate * SPACE or not word:
            typed += f" {word}"
        elif generator.random() < 0.75:
            typed += word
        else:
            typed += f"{word[0]} {word[1:]}"
    return typed


def slip(word: str, generator: random.Random) -> str:
    """One slip of a kind drawn from `SHARES` in a word; one without letters stays."""
    (kind,) = generator.choices(list(SHARES), list(SHARES.values()))
    return KINDS[kind](word, generator)


def miss(word: str, generator: random.Random) -> str:
    """A letter, or an apostrophe, is left out."""
    at = place(word, generator)
    return word if at is None or len(word) < 2 else word[:at] + word[at + 1 :]


def swap(word: str, generator: random.Random) -> str:
    """Two neighbours change places."""
    at = place(word[:-1], generator)
    return word if at is None else word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def double(word: str, generator: random.Random) -> str:
    """A letter is typed twice."""
    at = place(word, generator)
    return word if at is None else word[: at + 1] + word[at:]


def extra(word: str, generator: random.Random) -> str:
    """A neighbouring key is hit too, before or after."""
    at = place(word, generator)
    if at is None or word[at].lower() not in NEIGHBOURS:
        return word
    key = generator.choice(NEIGHBOURS[word[at].lower()])
    at += generator.randrange(2)
    return word[:at] + key + word[at:]


def wrong(word: str, generator: random.Random) -> str:
    """A neighbouring key is hit instead."""
    at = place(word, generator)
    if at is None or word[at].lower() not in NEIGHBOURS:
        return word
    return word[:at] + generator.choice(NEIGHBOURS[word[at].lower()]) + word[at + 1 :]


def sound(word: str, generator: random.Random) -> str:
    """A common misspelling of the word, or one by its sound; where none fits, a letter goes missing."""
    bare = word.strip("?.,!")
    if bare in COMMON and generator.random() < 0.5:
        return word.replace(bare, generator.choice(COMMON[bare]))
    found = [(match, written) for pattern, written in SOUNDS for match in pattern.finditer(word)]
    if not found:
        return miss(word, generator)
    match, written = generator.choice(found)
    return word[: match.start()] + match.expand(written) + word[match.end() :]


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "miss": miss,
    "slip": wrong,
    "swap": swap,
    "extra": extra,
    "double": double,
    "sound": sound,
}


def place(word: str, generator: random.Random) -> int | None:
    """Where a slip hits a word: a letter or an apostrophe, seldom the first; None if there is none."""
    places = [i for i, character in enumerate(word) if character.isalpha() or character == "'"]
    if len(places) < 2 or generator.random() < FIRST:
        return places[0] if places else None
    return generator.choice(places[1:])
