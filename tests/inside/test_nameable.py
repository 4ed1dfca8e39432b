"""Features of words and letters, by hand."""

import numpy as np

from vqa.inside.nameable import nameable, pieces

TEXTS = ["What's the red-hot 2nd one?", "How many dogs?", "Is it?"]


def steps(features: dict[str, np.ndarray], name: str) -> list[int]:
    return np.flatnonzero(features[name]).tolist()


def test_pieces_are_words_and_single_signs() -> None:
    assert pieces("What's red-hot?  é_") == ["What's", " ", "red", "-", "hot", "?", " ", " ", "é", "_"]
    assert all("".join(pieces(text)) == text for text in (*TEXTS, "", "\n''\u00e9 中文 😀"))


def test_words_have_features() -> None:
    found = nameable(
        [["what", "color", "is", "the", "Red", "one"], ["How", "many", "black", "dogs"], ["is", "it"]], False
    )
    assert {len(values) for values in found.values()} == {12}
    assert steps(found, "colour word") == [4, 8]
    assert steps(found, "after a colour word") == [5, 9]
    assert steps(found, "number word") == [5]
    assert steps(found, "question word") == [0, 6]
    assert steps(found, "right after a question word") == [1, 7]
    assert steps(found, "after 'how many'") == [8, 9]
    assert steps(found, "after a first word such as 'is' or 'does'") == [11]
    assert steps(found, "first word") == [0, 6, 10]
    assert steps(found, "last word") == [5, 9, 11]
    assert found["position"].tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 1]
    assert found["letters in the word"].tolist() == [4, 5, 2, 3, 3, 3, 3, 4, 5, 4, 2, 2]


def test_letters_have_features() -> None:
    found = nameable([pieces(text) for text in TEXTS], True)
    letters = "".join(TEXTS)
    ends = np.cumsum([len(text) for text in TEXTS])

    def marked(name: str) -> list[str]:
        """The texts with all else blanked out."""
        row = "".join(letter if flag else "." for letter, flag in zip(letters, found[name], strict=True))
        return [row[end - len(text) : end] for text, end in zip(TEXTS, ends, strict=True)]

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
