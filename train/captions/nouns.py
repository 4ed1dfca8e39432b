"""Which things captions name: countable nouns, found by their position in the sentence, without a model.

A noun is what often occurs between an article and a preposition, a verb or the end: "a dog on", "an umbrella."
Synonyms and kinds of things are listed in nouns.toml.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

FEWEST = 5  # photos whose captions have a noun, at least
SHARE = 0.005  # of all photos
OFTEN = 0.08  # of a word's uses are those of a noun after its article

_LISTS = tomllib.loads(Path(__file__).with_name("nouns.toml").read_text(encoding="utf-8"))
ARTICLES, AFTER, CONTINUATIONS, NEGATIONS, UNASKED = (
    frozenset(_LISTS[name].split()) for name in ("articles", "after", "continuations", "negations", "unasked")
)
SAME = [set(line.split()) for line in _LISTS["same"]]
KINDS = {general: set(kinds.format(people=_LISTS["people"]).split()) for general, kinds in _LISTS["kinds"].items()}
SPELLINGS: dict[str, str] = _LISTS["spellings"]
_VARIANT = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(SPELLINGS, key=len, reverse=True)))})(?=s?\b)")
_WORD = re.compile(r"[a-z]+(?:[-_'][a-z]+)*|[.,;!?]")


def words(caption: str) -> list[str]:
    """Lower-case words and punctuation, with one spelling for one thing; the last is a full stop."""
    text = _VARIANT.sub(lambda variant: SPELLINGS[variant[0]], caption.lower())
    return [*_WORD.findall(text), "."]


def plural(noun: str) -> str:
    """The usual plural of a singular."""
    if noun in _LISTS["plurals"]:
        return _LISTS["plurals"][noun]
    if re.search(r"(?:s|x|z|ch|sh)$", noun):
        return noun + "es"
    return re.sub(r"(?<=[^aeiou])y$", "ie", noun) + "s"


def article(noun: str) -> str:
    """a or an."""
    return "an" if noun[0] in "aeiou" and not noun.startswith(("uni", "use", "uten", "euro", "one")) else "a"


def find_nouns(photos: Iterable[Sequence[str]]) -> list[str]:
    """The singular nouns that are frequent in the captions of `photos`, in alphabetical order.

    Of a word whose plural is a noun too ("woman", "women") the singular is listed only.
    """
    uses, as_noun, in_photos, count = Counter[str](), Counter[str](), Counter[str](), 0
    for captions in photos:
        count += 1
        sentences = [words(caption) for caption in captions]
        in_photos.update({word for sentence in sentences for word in sentence})
        for sentence in sentences:
            uses.update(sentence)
            triples = zip(sentence, sentence[1:], sentence[2:], strict=False)
            as_noun.update(word for before, word, after in triples if before in ARTICLES and after in AFTER)
    fewest = max(FEWEST, SHARE * count)
    nouns = {w for w, n in as_noun.items() if n > 1 and in_photos[w] >= fewest and n >= OFTEN * uses[w]}
    plurals = {plural(word) for word in nouns if plural(word) != word}
    return sorted(nouns - plurals - UNASKED - ARTICLES - AFTER)


class Nouns:
    """What captions say about each of some nouns.

    near: noun to the words, in singular, with which a caption does not rule it out: itself, synonyms, kinds of it, and
    what it is a kind of.
    """

    def __init__(self, nouns: Iterable[str]):
        self.near = {noun: {noun} for noun in nouns}
        for noun, near in self.near.items():
            near.update(*(group for group in SAME if noun in group), KINDS.get(noun, ()))
            near.update(general for general, kinds in KINDS.items() if noun in kinds)
        known = set[str]().union(*self.near.values())
        self.singular = {plural(word): word for word in known} | {word: word for word in known}

    def read(self, captions: Sequence[str]) -> tuple[set[str], set[str]]:
        """The nouns that captions name as things in the photo, and all nouns that they do not rule out."""
        present, named = set[str](), set[str]()
        for sentence in map(words, captions):
            for i, word in enumerate(sentence):
                noun = self.singular.get(word)
                if noun is None:
                    continue
                named.add(noun)
                follows = sentence[i + 1] in AFTER | CONTINUATIONS
                if noun in self.near and follows and self._is_thing(sentence[:i], plural=word != noun):
                    present.add(noun)
        return present, {noun for noun, near in self.near.items() if near & named}

    def _is_thing(self, before: list[str], plural: bool) -> bool:
        """Whether the words before do not negate a noun; after another noun, a plural may be a verb ("a man waves")."""
        return not NEGATIONS & set(before[-3:]) and not (plural and before and before[-1] in self.near)
