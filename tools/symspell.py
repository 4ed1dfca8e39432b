"""symspellpy over the words of the training questions: the existing alternative to our repair model."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

COUNTS, DISTANCES = (1, 3, 10), (1, 2)  # of a known word; letters that may differ

Repairs = Iterator[list[str]]
"""The likeliest repairs of each of many questions, the best first."""


def symspells(questions: Sequence[str]) -> dict[str, Callable[[Sequence[str]], Repairs]]:
    """Repair functions by name: each word by itself, or `compound`, which also repairs spaces and weighs the pairs of
    words in the questions."""
    from symspellpy import SymSpell

    words, pairs = Counter[str](), Counter[str]()
    for row in (bare(question).split() for question in questions):
        words.update(row)
        pairs.update(" ".join(pair) for pair in pairwise(row))
    functions: dict[str, Callable[[Sequence[str]], Repairs]] = {}
    for least in COUNTS:
        library = SymSpell(max_dictionary_edit_distance=max(DISTANCES), prefix_length=7)
        for word, n in words.items():
            if n >= least:
                library.create_dictionary_entry(word, n)
        library.bigrams.update({pair: n for pair, n in pairs.items() if n >= least})
        library.bigram_count_min = least
        for distance in DISTANCES:
            for name, repair in (("compound", compound), ("word by word", word_by_word)):
                functions[f"{name}, words seen {least} times, distance {distance}"] = partial(repair, library, distance)
    return functions


def compound(library, distance: int, typed: Sequence[str]) -> Repairs:
    return ([library.lookup_compound(bare(text), distance)[0].term] for text in typed)


def word_by_word(library, distance: int, typed: Sequence[str]) -> Repairs:
    from symspellpy import Verbosity

    def repaired(word: str) -> str:
        return library.lookup(word, Verbosity.TOP, distance, include_unknown=True)[0].term

    return ([" ".join(map(repaired, bare(text).split()))] for text in typed)


def bare(text: str) -> str:
    """The words of a text alone, by which repairs are compared."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))
