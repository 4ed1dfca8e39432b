"""WUPS: how close a predicted answer is to the true one in the hierarchy of WordNet.

Source: Malinowski and Fritz, "A Multi-World Approach to Question Answering about Real-World Scenes based on Uncertain
Input", NeurIPS 2014, section 4 (the measure of DAQUAR), and the authors' `calculate_wups.py`, whose results this
module gives. The similarity of two senses is that of Wu and Palmer, "Verb Semantics and Lexical Selection", ACL 1994,
in the nouns of WordNet 3.0:

    wup(x, y) = 2 depth(s) / (distance(x, s) + distance(y, s) + 2 depth(s))

where s is the deepest sense that is above both or is one of them, the root has depth 1, and a distance is the
shortest way up and down.
"""

import io
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from vqa.model.errors import InputError

FOLDER = "WORDNET"  # the environment variable that names a folder with the database
_DEBIAN = "/usr/share/wordnet"
_INSTALL = (
    "run `pip install nltk` and, for the database, `apt install wordnet-base` or `python -m nltk.downloader wordnet` "
    f"(or name a folder that holds it in the environment variable {FOLDER})"
)


def wups(prediction: str, answer: str, threshold: float) -> float:
    """The WUPS score of one prediction, 0 to 1.

    Both texts may name several things, divided by ","; with A the things of the prediction and T those of the answer

        WUPS = min( prod_{a in A} max_{t in T} mu(a, t),  prod_{t in T} max_{a in A} mu(t, a) ).

    mu of equal words is 1, and 0 where either is no noun of WordNet. Else it is the similarity of their most similar
    senses, a tenth of it where that is below `threshold`: at 0.9 only near synonyms count, at 0 any likeness does.
    Words are also looked up in their base form (papers, paper). Unlike the script this takes small and capital
    letters, and a space and the "_" that WordNet writes (coffee_table), for the same.

    Raises:
        InputError: nltk or WordNet's database is missing or cannot be read.
    """
    things, truth = _things(prediction), _things(answer)
    return min(_all_within(things, truth, threshold), _all_within(truth, things, threshold))


def _things(text: str) -> list[str]:
    return ["_".join(part.lower().split()) for part in text.split(",")]


def _all_within(things: list[str], others: list[str], threshold: float) -> float:
    return prod(max(_membership(thing, other, threshold) for other in others) for thing in things)


def _membership(a: str, b: str, threshold: float) -> float:
    """mu(a, b)"""
    score = similarity(a, b)
    return score if score >= threshold else 0.1 * score


@lru_cache(maxsize=1 << 20)  # a large run has some 100,000 distinct pairs
def similarity(a: str, b: str) -> float:
    """The similarity of the most similar senses of two nouns, 0 to 1; of equal words 1, of unknown ones 0."""
    if a == b:
        return 1.0
    senses = _nouns()
    return max((x.wup_similarity(y) or 0.0 for x in senses(a) for y in senses(b)), default=0.0)


@lru_cache(maxsize=1)
def _nouns() -> Callable[[str], list[Any]]:
    """From a word (small letters, "_" for a space) to its senses as a noun."""
    try:
        import nltk
        from nltk.corpus.reader.wordnet import WordNetCorpusReader, WordNetError
    except ImportError as error:
        raise InputError(f"WUPS needs nltk and WordNet: {_INSTALL}.") from error

    class Database(WordNetCorpusReader):
        """The English nouns need less than the reader asks for: neither the file `lexnames`, which Debian's package
        lacks and which only names 45 groups of senses, nor the map from other versions of WordNet."""

        def open(self, file: str) -> Any:
            if file == "lexnames":
                return io.StringIO("".join(f"{number:02d} group{number} 1\n" for number in range(45)))
            return super().open(file)

        def map_wn(self, version: str = "wordnet") -> None:
            return None

    root = _root(nltk.data)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The multilingual functions are not available")
            database = Database(root, None)
        if not database.synsets("entity", "n"):
            raise ValueError("it has no noun 'entity'")
    except (OSError, ValueError, LookupError, AssertionError, StopIteration, WordNetError) as error:
        reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(f"{root} is no database of WordNet 3.0 ({reason:.200}): {_INSTALL}.") from error
    return lru_cache(maxsize=1 << 16)(lambda word: database.synsets(word, "n"))


def _root(data: Any) -> Any:
    """Where the database is: the folder of the environment variable, else nltk's own (packed or not), else Debian's."""
    named = os.environ.get(FOLDER)
    if not named:
        for place in ("corpora/wordnet.zip/wordnet/", "corpora/wordnet"):
            with suppress(LookupError):
                return data.find(place)
    folder = Path(named or _DEBIAN).resolve()
    if not (folder / "data.noun").is_file():
        where = f" in {named}" if named else ""
        raise InputError(f"WUPS finds no WordNet database{where} (a folder with the file data.noun): {_INSTALL}.")
    if str(folder) not in data.path:
        data.path.append(str(folder))  # nltk opens nothing outside the folders of this list
    return str(folder)
