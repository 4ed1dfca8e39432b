"""WUPS, against hand-counted paths and an oracle that walks WordNet's own file line by line."""

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vqa.evaluation.measures import wups as module
from vqa.evaluation.measures.wups import similarity, wups
from vqa.model.errors import InputError

SYNONYMS = 0.9


@pytest.fixture
def unloaded() -> Iterator[None]:
    """As in a fresh process: no database is open and no pair of words is known."""
    for cached in (module._nouns, similarity):
        cached.cache_clear()
    yield
    for cached in (module._nouns, similarity):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # blind is at depth 8 of entity/physical entity/object/whole/artifact/covering/protective covering/blind,
        # and curtain is the sense below it.
        ("curtain", "blinds", 2 * 8 / (8 + 9)),
        # As measures, not as vessels, they are nearest: containerful at depth 5.
        ("cup", "mug", 2 * 5 / (6 + 6)),
        ("couch", "sofa", 1.0),
        ("2", "two", 1.0),
        ("papers", "paper", 1.0),
    ],
)
def test_paths_counted_by_hand(wordnet: None, a: str, b: str, expected: float) -> None:
    assert wups(a, b, 0.0) == wups(b, a, 0.0) == pytest.approx(expected, abs=1e-12)
    at_nine = expected if expected >= SYNONYMS else expected / 10
    assert wups(a, b, SYNONYMS) == wups(b, a, SYNONYMS) == pytest.approx(at_nine, abs=1e-12)


class Oracle:
    """Wu and Palmer's similarity from the lines of index.noun and data.noun, every path written out."""

    def __init__(self, folder: Path) -> None:
        lines = (folder / "data.noun").read_text("utf-8").splitlines()
        self.lines = {line[:8]: line.split(" | ")[0].split() for line in lines}
        self.senses: dict[str, list[str]] = {}
        for line in (folder / "index.noun").read_text("utf-8").splitlines():
            if not line.startswith(" "):
                fields = line.split()
                self.senses[fields[0]] = fields[-int(fields[2]) :]

    def paths(self, sense: str) -> list[list[str]]:
        """All ways from the root down to the sense."""
        fields = self.lines[sense]
        above = [fields[at + 1] for at, field in enumerate(fields) if field in ("@", "@i") and at > 3]
        return [[*path, sense] for up in above for path in self.paths(up)] or [[sense]]

    def similarity(self, a: str, b: str) -> set[float]:
        """The best over all senses; two values or more where senses are equally deep and their paths are not."""
        per_pair = [self.of_senses(x, y) for x in self.senses[a] for y in self.senses[b]]
        return {max(map(max, per_pair)), max(map(min, per_pair))}

    def of_senses(self, x: str, y: str) -> set[float]:
        up_x, up_y = self.steps_up(x), self.steps_up(y)
        common = up_x.keys() & up_y.keys()
        nearest = {sense: min(map(len, self.paths(sense))) for sense in common}
        deepest = [sense for sense in common if nearest[sense] == max(nearest.values())]
        values = set()
        for sense in [x] if x in deepest else deepest:
            depth = max(map(len, self.paths(sense)))
            values.add(2 * depth / (self.distance(up_x, sense) + self.distance(up_y, sense) + 2 * depth))
        return values

    def distance(self, up_x: dict[str, int], sense: str) -> int:
        """The shortest way up and down again: from person to object by way of physical entity, not of organism."""
        up = self.steps_up(sense)
        return min(up_x[above] + up[above] for above in up_x.keys() & up.keys())

    def steps_up(self, sense: str) -> dict[str, int]:
        steps: dict[str, int] = {}
        for path in self.paths(sense):
            for up, above in enumerate(reversed(path)):
                steps[above] = min(up, steps.get(above, up))
        return steps


def test_an_oracle_that_walks_all_paths(wordnet: None) -> None:
    folder = Path(os.environ.get("WORDNET", "/usr/share/wordnet"))
    if not (folder / "data.noun").is_file():
        pytest.skip("needs WordNet's files unpacked: install the package wordnet-base or set WORDNET")
    oracle = Oracle(folder)
    words = ["lamp", "coffee_table", "television", "bed", "person", "wall", "red", "five", "door"]
    compared = 0
    for a, b in itertools.product(words, repeat=2):
        expected = {1.0} if a == b else oracle.similarity(a, b)
        if len(expected) == 1:
            assert similarity(a, b) == pytest.approx(expected.pop(), abs=1e-12), (a, b)
            compared += 1
    assert compared > 0.9 * len(words) ** 2


def test_several_things(wordnet: None) -> None:
    near = similarity("curtain", "blind")
    assert wups("curtain, chair", "chair,blind", SYNONYMS) == pytest.approx(near)
    assert wups("chair", "chair, blind", SYNONYMS) == pytest.approx(similarity("blind", "chair") / 10)
    assert wups("book, book", "book", 0.0) == 1.0
    # Every thing too many, and every thing left out, multiplies by its own likeness.
    lamp, bed = similarity("lamp", "chair"), similarity("bed", "chair")
    assert wups("chair, lamp, bed", "chair", 0.0) == pytest.approx(lamp * bed)
    assert wups("chair", "chair, lamp, bed", 0.0) == pytest.approx(lamp * bed)
    assert wups("night stand", " NIGHT_stand ", SYNONYMS) == 1.0


def test_words_that_wordnet_does_not_know(wordnet: None) -> None:
    assert wups("xyzzy plugh", "xyzzy  plugh", SYNONYMS) == 1.0
    assert wups("xyzzy", "chair", 0.0) == wups("chair", "xyzzy", 0.0) == 0.0
    assert wups("", "chair", 0.0) == wups("chair,", "chair", 0.0) == 0.0
    assert wups("with", "chair", 0.0) == 0.0  # a word, and no noun


def test_a_missing_or_broken_database(wordnet, unloaded, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("WORDNET", str(tmp_path))
    told = []
    for content in (None, "", "00001740 03 n 01 entity 0 000 | x\n"):
        if content is not None:
            for kind in ("noun", "verb", "adj", "adv"):
                (tmp_path / f"data.{kind}").write_text(content)
                (tmp_path / f"index.{kind}").touch()
                (tmp_path / f"{kind}.exc").touch()
        with pytest.raises(InputError) as caught:
            wups("chair", "blind", 0.0)
        told.append(str(caught.value))
    assert f"finds no WordNet database in {tmp_path} (a folder with the file data.noun)" in told[0]
    assert all(f"{tmp_path} is no database of WordNet 3.0 (it has no noun 'entity')" in text for text in told[1:])
    for text in told:
        assert "`pip install nltk`" in text and "`apt install wordnet-base`" in text and "WORDNET" in text
        assert "\n" not in text and text.endswith(".")


def test_nltk_is_missing(unloaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk", None)
    with pytest.raises(InputError, match=r"WUPS needs nltk and WordNet: run `pip install nltk` and, .*wordnet-base"):
        wups("curtain", "blinds", SYNONYMS)
