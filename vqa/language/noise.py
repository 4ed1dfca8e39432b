"""Typing noise: the typos and misspellings that a repairer learns to correct.

Four in five mistyped words have one missing, extra, wrong or swapped letter (Damerau 1964); the first letter is rarely
affected (1 to 15% in the counts that Kukich 1992 compares); a wrong key is mostly a neighbour (Grudin 1983). The shares
below are our choice in view of these, with fewer words that are spelled as they sound, since questions are short and of
common words.
"""

import random
import re

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# Each key's neighbours: those in its row, and those that touch it above and below.
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

FIRST = 0.08  # of the typos affect the first letter of a longer word
SECOND = 0.15  # of the typos are followed by another one in the same word
SPACE = 0.15  # a space's rate relative to that of the word after it
SHARES = {"missing": 0.27, "wrong": 0.2, "swapped": 0.2, "extra": 0.1, "double": 0.1, "sound": 0.13}

_MISSPELLED = """
    are: r ar; because: becuase cuz; beautiful: beutiful; bicycle: bycicle bicicle; building: bulding biulding;
    clothes: cloths close; color: colur coler; does: dose dos; doing: doin; eating: eatin;
    giraffe: girafe giraff jiraffe; hydrant: hydrent; its: it's; many: meny; of: off; people: ppl peaple poeple;
    picture: pic pitcure; restaurant: restaraunt resturant; right: rite; their: thier there; there: thare their;
    they: thay thy; to: too; umbrella: umbrela umberella; vegetable: vegtable; vegetables: vegtables;
    wearing: waring wering; weather: wether; what: wat wut waht; where: were wher; which: wich witch; with: wiht w;
    you: u; your: ur
"""
COMMON = {
    word.strip(): tuple(misspelled.split())
    for word, misspelled in (entry.split(":") for entry in _MISSPELLED.split(";"))
}
CONSONANT = "[b-df-hj-np-tv-z]"
# Spelled as it sounds, or by a misapplied rule: pattern and replacement.
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
        *((f"(?<={CONSONANT}){heard}(?={CONSONANT})", written) for heard, written in ("ae", "ea", "ie", "ou", "uo")),
        (r"y\b", "ie"),
        (r"z", "s"),
        (r"s\b", "z"),
    )
]


def mistype(text: str, generator: random.Random, rate: float) -> str:
    """The text with typos in `rate` of the longer words (fewer in those below four letters).

    Spaces are also omitted, or typed a letter late. A typo may leave the text unchanged, or produce another real word.
    """
    words = text.split(" ")
    for i, word in enumerate(words):
        if generator.random() < rate * min(1.0, len(word) / 4):
            words[i] = typo(word, generator)
            while generator.random() < SECOND:
                words[i] = typo(words[i], generator)
    typed = words[0]
    for word in words[1:]:
        if generator.random() >= rate * SPACE or not word:
            typed += f" {word}"
        elif generator.random() < 0.75:
            typed += word
        else:
            typed += f"{word[0]} {word[1:]}"
    return typed


def typo(word: str, generator: random.Random) -> str:
    """The word with one typo of a kind drawn from `SHARES`; one without letters is not changed."""
    (kind,) = generator.choices(list(SHARES), list(SHARES.values()))
    return typo_of(kind, word, generator)


def typo_of(kind: str, word: str, generator: random.Random) -> str:
    """A typo of this kind.

    missing: a letter or an apostrophe is left out; wrong: a neighbouring key instead; swapped: two neighbours change
    places; extra: a neighbouring key too, before or after; double: a letter is typed twice; sound: a common misspelling
    of the word, or one by its sound, else a missing letter.
    """
    if kind == "sound":
        bare = word.strip("?.,!")
        if bare in COMMON and generator.random() < 0.5:
            return word.replace(bare, generator.choice(COMMON[bare]))
        if matches := [(match, written) for pattern, written in SOUNDS for match in pattern.finditer(word)]:
            match, written = generator.choice(matches)
            return word[: match.start()] + match.expand(written) + word[match.end() :]
        kind = "missing"
    at = place(word[:-1] if kind == "swapped" else word, generator)
    if at is None:
        return word
    before, letter, after = word[:at], word[at], word[at + 1 :]
    keys = NEIGHBOURS.get(letter.lower(), "")
    if kind == "missing" and len(word) > 1:
        return before + after
    if kind == "swapped":
        return before + after[0] + letter + after[1:]
    if kind == "double":
        return before + letter + letter + after
    if kind == "wrong" and keys:
        return before + generator.choice(keys) + after
    if kind == "extra" and keys:
        key = generator.choice(keys)
        return before + (letter + key if generator.randrange(2) else key + letter) + after
    return word


def place(word: str, generator: random.Random) -> int | None:
    """The position of a typo: a letter or an apostrophe, rarely the first; None if there is none."""
    places = [i for i, character in enumerate(word) if character.isalpha() or character == "'"]
    if len(places) < 2 or generator.random() < FIRST:
        return places[0] if places else None
    return generator.choice(places[1:])
