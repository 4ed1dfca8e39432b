"""Other spellings, synonyms, contractions, plurals and singulars, as the tokenizer of a checkpoint reads them."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast as Fast

from vqa.data.spellings import COMPOUNDS, CONTRACTIONS, SPELLINGS, SYNONYMS, pairs, plurals, readings
from vqa.data.vocabulary import build_tokenizer, extend_tokenizer
from vqa.model.text import words

ASSETS = Path("assets/model")
# question: the words as they are read, the words as they were typed
READ = {
    "What Colour is the cat?": ("what color is the cat", "What Colour is the cat"),
    "grey aeroplanes, tyres": ("gray airplanes tires", "grey aeroplanes tyres"),
    "jewellery and a moustache": ("jewelry and a mustache", "jewellery and a moustache"),
    "whats in the centre": ("what 's in the center", "what s in the centre"),
    "isnt it": ("is n't it", "is nt it"),
    "doesn't it": ("does n't it", "does n't it"),
    "Theres a lorry": ("there 's a truck", "There s a lorry"),
    "the café's lorries": ("the [UNK] 's trucks", "the café 's lorries"),
    "İ colour é lorry": ("[UNK] color [UNK] truck", "İ colour é lorry"),
    "a teddybear": ("a teddy bear", "a teddy bear"),
    "camels on the puppy": ("camel on the puppies", "camels on the puppy"),
    "a cherry, a sandwich": ("a cherries a sandwiches", "a cherry a sandwich"),
    "colourless bicolour": ("[UNK] [UNK]", "colourless bicolour"),
    "organised": ("organized", "organised"),
    "in this image, a photograph": ("in this picture a photo", "in this image a photograph"),
}
KNOWN = (
    "what color is the cat gray airplanes tires jewelry and a mustache 's in center n't it does there truck trucks "
    "teddy bear camel on puppies cherries sandwiches organized in this picture photo"
)


def read(tokenizer: Tokenizer, question: str) -> tuple[str, str]:
    encoding = tokenizer.encode(question)
    return " ".join(encoding.tokens), " ".join(question[start:end] for start, end in encoding.offsets)


@pytest.fixture(scope="module")
def bundled() -> Fast:
    return Fast.from_pretrained(ASSETS)


@pytest.fixture(scope="module")
def extended(bundled: Fast) -> Fast:
    return extend_tokenizer(bundled)


@pytest.fixture(scope="module")
def found(bundled: Fast) -> dict[str, str]:
    vocabulary = bundled.get_vocab()
    return readings(sorted(vocabulary, key=vocabulary.__getitem__))


@pytest.mark.parametrize("question", READ)
def test_words_are_read_as_known_ones_and_reported_as_typed(question: str) -> None:
    tokenizer = build_tokenizer([KNOWN]).backend_tokenizer
    assert read(tokenizer, question) == READ[question]


def test_a_checkpoint_of_before_reads_them_without_other_numbers(bundled: Fast, extended: Fast) -> None:
    question = "whats the colour of the grey aeroplane"
    assert extended.get_vocab() == bundled.get_vocab()
    assert words(extended.backend_tokenizer, question) == (["what", "s", *question.split()[1:]], [])
    assert read(extended.backend_tokenizer, question)[0] == "what 's the color of the gray airplane"
    assert extend_tokenizer(extended).backend_tokenizer.to_str() == extended.backend_tokenizer.to_str()


def test_each_reading_of_the_bundled_words_has_the_offsets_of_the_word(
    bundled: Fast, extended: Fast, found: dict[str, str]
) -> None:
    assert len(found) > 3000
    questions = [f"Is any {word}, on" for word in found]
    plain = bundled.backend_tokenizer.encode_batch(list(found.values()))
    encoded = extended.backend_tokenizer.encode_batch(questions)
    for question, word, expected, encoding in zip(questions, found, plain, encoded, strict=True):
        assert encoding.tokens == ["is", "any", *expected.tokens, "on"], word
        assert "[UNK]" not in expected.tokens, word
        assert encoding.offsets[2][0] == 7 and encoding.offsets[-2][1] == 7 + len(word), word
        spans = [question[start:end] for start, end in encoding.offsets[2:-1]]
        assert "".join(spans) == word


def test_known_words_are_read_as_themselves(bundled: Fast, extended: Fast, found: dict[str, str]) -> None:
    vocabulary = bundled.get_vocab()
    known = [word for word in vocabulary if word not in found]
    before, after = (t.backend_tokenizer.encode_batch(known) for t in (bundled, extended))
    assert [e.ids for e in before] == [e.ids for e in after]
    tables = pairs(SPELLINGS) | pairs(SYNONYMS) | pairs(COMPOUNDS) | pairs(CONTRACTIONS)
    assert {word for word in found if word in vocabulary} <= {*tables, *(p for word in tables for p in plurals(word))}


def test_a_pair_applies_only_to_a_word_that_is_unknown_or_much_later() -> None:
    assert readings(["grey", "cat"]) == {"cats": "cat", "greys": "grey"}
    assert "colour" not in readings(["red", "cat"])
    assert "grey" not in readings(["a", "gray", "grey"])
    later = readings(["a", "gray", "the", "grey"])
    assert later["grey"] == later["greys"] == "gray"
    assert readings(["that", "'s"])["thats"] == "that's" and readings(["that"])["thats"] == "that"
    assert "cats" not in readings(["cat", "cats"]) and "cat" not in readings(["cat", "cats"])


def test_words_that_are_read_as_others_count_as_these() -> None:
    questions = ["the colour", "the color", "the colour", "the tyre"]
    tokenizer = build_tokenizer(questions)
    assert set(tokenizer.get_vocab()) == {"[PAD]", "[UNK]", "the", "color", "colour", "tyre"}  # colour is common
    tokenizer = build_tokenizer([*["the color"] * 9, *["a cat"] * 5, "a colour"])
    assert set(tokenizer.get_vocab()) == {"[PAD]", "[UNK]", "the", "color", "a", "cat"}
    grown = extend_tokenizer(tokenizer, ["the colour of the lorry"] * 3)
    assert set(grown.get_vocab()) - set(tokenizer.get_vocab()) == {"of", "lorry"}  # no truck is known
    assert read(extend_tokenizer(grown, ["a truck"]).backend_tokenizer, "lorry")[0] == "lorry"


def test_plurals() -> None:
    words = ("cat", "box", "berry", "boy", "fireman", "bus", "cats")
    assert [*map(plurals, words)] == [["cats"], ["boxes"], ["berries"], ["boys"], ["firemen"], ["buses"], []]
