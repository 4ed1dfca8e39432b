"""The ready-made alternative to our repairer: symspellpy over the words of the training questions."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from vqa.model.errors import InputError

COUNTS, DISTANCES = (1, 3, 10), (1, 2)  # of a word to be known; letters that may differ


def symspells(questions: Sequence[str]) -> dict[str, Callable[[Sequence[str]], Iterator[list[str]]]]:
    """Ways to mend with it, by name: each word by itself, or `compound`, which also mends spaces and weighs the pairs
    of words that the questions hold.

    Raises `InputError` where the library is not installed.
    """
    try:
        from symspellpy import SymSpell, Verbosity
    except ImportError as error:
        raise InputError("The comparison needs symspellpy; run: pip install -e '.[train]'") from error

    words, pairs = Counter[str](), Counter[str]()
    for question in questions:
        row = bare(question).split()
        words.update(row)
        pairs.update(f"{a} {b}" for a, b in pairwise(row))
    made: dict[str, Callable[[Sequence[str]], Iterator[list[str]]]] = {}
    for least in COUNTS:
        library = SymSpell(max_dictionary_edit_distance=max(DISTANCES), prefix_length=7)
        for word, n in words.items():
            if n >= least:
                library.create_dictionary_entry(word, n)
        library.bigrams.update({pair: n for pair, n in pairs.items() if n >= least})
        library.bigram_count_min = least

        for distance in DISTANCES:

            def compound(typed: Sequence[str], library=library, distance=distance) -> Iterator[list[str]]:
                for text in typed:
                    yield [library.lookup_compound(bare(text), distance)[0].term]

            def each(typed: Sequence[str], library=library, distance=distance) -> Iterator[list[str]]:
                for text in typed:
                    found = (
                        library.lookup(word, Verbosity.TOP, distance, include_unknown=True)[0].term
                        for word in bare(text).split()
                    )
                    yield [" ".join(found)]

            made[f"compound, words seen {least} times, distance {distance}"] = compound
            made[f"word by word, words seen {least} times, distance {distance}"] = each
    return made


def bare(text: str) -> str:
    """Its words alone: what both are compared by."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))
