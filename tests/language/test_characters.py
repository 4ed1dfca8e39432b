"""Characters and their numbers."""

from hypothesis import given
from hypothesis import strategies as st

from tests.data.refusal import refusal
from vqa.language.characters import END, SPECIAL, UNKNOWN, Characters


def test_the_common_ones_come_first() -> None:
    made = Characters.build(["hello", "lo"], most=3)
    assert made.to_list() == ["l", "o", "e"] and made.size == SPECIAL + 3
    assert made.encode("hole") == [UNKNOWN, 5, 4, 6]
    assert made.decode([END, 5, UNKNOWN, 4]) == "o\ufffdl"
    assert Characters(made.to_list()).encode("lo") == made.encode("lo")


@given(st.text(), st.text())
def test_encoding_fast_is_encoding(known: str, text: str) -> None:
    made = Characters.build([known])
    assert made.encode_array(text).tolist() == made.encode(text)
    if set(text) <= set(known):
        assert made.decode(made.encode(text)) == text


def test_what_is_no_vocabulary_is_refused() -> None:
    for broken in (["a", "a"], ["ab"], [""], [3]):
        assert "distinct single characters" in refusal(Characters, broken)
