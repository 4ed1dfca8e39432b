"""Features of words and letters, by hand."""

import numpy as np

from vqa.inside.nameable import nameable, pieces

TEXTS = ["What's the red-hot 2nd one?", "How many dogs?", "Is it?"]


def test_pieces_are_words_and_single_signs() -> None:
    assert pieces("What's red-hot?  é_") == ["What's", " ", "red", "-", "hot", "?", " ", " ", "é", "_"]
    assert all("".join(pieces(text)) == text for text in (*TEXTS, "", "\n''\u00e9 中文 😀"))


def test_words_have_features() -> None:
    found = nameable([text.split() for text in ("what color is the Red one", "How many black dogs", "is it")], False)
    assert found.pop("position").tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 1]
    assert found.pop("letters in the word").tolist() == [4, 5, 2, 3, 3, 3, 3, 4, 5, 4, 2, 2]
    assert {name: np.flatnonzero(flags).tolist() for name, flags in found.items()} == {
        "colour word": [4, 8],
        "after a colour word": [5, 9],
        "number word": [5],
        "question word": [0, 6],
        "right after a question word": [1, 7],
        "after 'how many'": [8, 9],
        "after a first word such as 'is' or 'does'": [11],
        "first word": [0, 6, 10],
        "last word": [5, 9, 11],
    }


def test_letters_have_features() -> None:
    found = nameable([pieces(text) for text in TEXTS], True)

    def marked(name: str) -> list[str]:
        """The texts with all else blanked out."""
        flags = iter(found[name])
        return ["".join(letter if next(flags) else "." for letter in text) for text in TEXTS]

    assert marked("colour word")[0] == "...........red............."
    assert marked("after a colour word")[0] == "..............-hot 2nd one?"
    assert marked("number word")[0] == ".......................one."
    assert marked("question word") == ["...........................", "How...........", "......"]
    assert marked("right after a question word")[1] == "....many......"
    assert marked("after 'how many'")[1] == "........ dogs?"
    assert marked("after a first word such as 'is' or 'does'")[2] == ".. it?"
    assert marked("first word") == ["What's.....................", "How...........", "Is...."]
    assert marked("last word") == [".......................one.", ".........dogs.", "...it."]
    assert marked("last character") == ["." * 26 + "?", "." * 13 + "?", ".....?"]
    assert marked("space")[1] == "... .... ....."
    assert marked("vowel")[1] == ".o...a....o..."
    assert marked("first letter of a word")[1] == "H...m....d...."
    assert marked("second letter of a word")[1] == ".o...a....o..."
    assert marked("third letter of a word")[1] == "..w...n....g.."
    assert found["letters of the word so far"][27:41].tolist() == [1, 2, 3, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0]
    assert found["position"].tolist() == [*range(27), *range(14), *range(6)]


def test_a_text_of_signs_alone_has_no_words() -> None:
    for letters in (False, True):
        found = nameable([["?", "!"], ["?"]], letters)
        assert not any(found[name].any() for name in ("first word", "last word", "question word"))
