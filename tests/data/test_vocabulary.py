import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from tests.data.refusal import refusal
from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.data.vocabulary import AnswerVocabulary, build_tokenizer

RULES = {
    "What\u2019s the dog\u2019s name?": ["what", "'s", "the", "dog", "'s", "name"],
    "what's it": ["what", "'s", "it"],
    "isn't it?": ["is", "n't", "it"],
    "Aren\u2019t they the dogs' toys": ["are", "n't", "they", "the", "dogs", "toys"],
    "I'm, you're, we've, he'll, she'd": ["i", "'m", "you", "'re", "we", "'ve", "he", "'ll", "she", "'d"],
    "TV-stand 2nd?": ["tv", "stand", "2nd"],
    "\u2018dog\u2019 “cat” 'sun'": ["dog", "cat", "sun"],
    "Café CAFE\u0301 cafe": ["cafe", "cafe", "cafe"],
    "İstanbul": ["istanbul"],
    "red/blue,green...3.5": ["red", "blue", "green", "3", "5"],
    "what is [PAD] or [UNK]": ["what", "is", "pad", "or", "unk"],
    "日本 что": ["日本", "что"],
    "😀 ?!": [],
    "": [],
}
DOGS = ["a dog", "the dog", "The cat, the dog"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(RULES)


@pytest.mark.parametrize("question", RULES)
def test_rules(tokenizer: PreTrainedTokenizerFast, question: str) -> None:
    assert tokenizer.backend_tokenizer.encode(question).tokens == RULES[question]


def test_padding_is_0_unknown_is_1_and_words_go_by_count(tokenizer: PreTrainedTokenizerFast) -> None:
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.padding_side) == (0, 1, "right")
    small = build_tokenizer(DOGS)
    assert small.get_vocab() == {"[PAD]": 0, "[UNK]": 1, "dog": 2, "the": 3, "a": 4, "cat": 5}
    assert small.backend_tokenizer.encode("the blue dog").ids == [3, 1, 2]


def test_rare_words_and_words_beyond_the_size_are_unknown() -> None:
    assert set(build_tokenizer(DOGS, min_count=2).get_vocab()) == {"[PAD]", "[UNK]", "the", "dog"}
    assert set(build_tokenizer(DOGS, size=1).get_vocab()) == {"[PAD]", "[UNK]", "dog"}
    assert len(build_tokenizer([])) == 2


def test_offsets_are_those_of_the_question_as_asked() -> None:
    for question, words in (
        ("Où est le Café ?", ["Où", "est", "le", "Café"]),
        ("What\u2019s “that”?", ["What", "\u2019s", "that"]),
        ("DON'T Ñandú-x", ["DO", "N'T", "Ñandú", "x"]),
        ("İstanbul ß ﬁne", ["İstanbul", "ß", "ﬁne"]),
        ("😀 dog 🐕‍🦺 cat", ["dog", "cat"]),
    ):
        encoding = build_tokenizer([question]).backend_tokenizer.encode(question)
        assert [question[start:end] for start, end in encoding.offsets] == words


@given(st.text(st.characters(exclude_categories=["Cn", "Cs"]), max_size=80))
def test_any_text_is_cut_into_words_in_order(tokenizer: PreTrainedTokenizerFast, question: str) -> None:
    question = unicodedata.normalize("NFC", question)
    encoding = tokenizer.backend_tokenizer.encode(question)
    end = 0
    for start, stop in encoding.offsets:
        assert end <= start < stop <= len(question)
        assert any(unicodedata.category(c)[0] in "LN" for c in question[start:stop])
        end = stop


def test_saved_and_loaded_it_gives_the_same_ids(shared: Path, tmp_path: Path) -> None:
    questions = [e.question for e in read_examples(shared / "data/coco/questions_val.jsonl")] + list(RULES)
    built = build_tokenizer(questions[::2], min_count=2)
    built.save_pretrained(tmp_path)
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    expected = [e.ids for e in built.backend_tokenizer.encode_batch(questions)]
    assert [e.ids for e in loaded.backend_tokenizer.encode_batch(questions)] == expected
    assert loaded(questions)["input_ids"] == expected
    assert (loaded.pad_token_id, loaded.unk_token_id, len(loaded)) == (0, 1, len(built))
    assert 1 in {i for ids in expected for i in ids} and [] in expected


def answered(*answers: str, **more: object) -> Example:
    return Example("a.jpg", "?", answers=answers, **more)  # type: ignore[arg-type]


def test_two_spellings_are_one_answer_and_the_most_common_comes_first() -> None:
    examples = [Example("a.jpg", "?", answer=answer) for answer in ("two", "A cat.", "2", "cat", "Two", "dog")]
    vocabulary = AnswerVocabulary.build(examples, size=2)
    assert vocabulary.answers == ("2", "cat") and vocabulary.index == {"2": 0, "cat": 1} and len(vocabulary) == 2


def test_answers_are_ranked_by_their_soft_scores() -> None:
    examples = [
        answered(*["cat"] * 4, *["dog"] * 3, *["bird"] * 2, "rat"),  # 1, .9, .6, .3
        Example("a.jpg", "?", answer_scores={"dog": 0.25, "bird": 0.75}),
    ]
    # sums: bird 1.35, dog 1.15, cat 1, rat 0.3
    assert AnswerVocabulary.build(examples, 10).answers == ("bird", "dog", "cat")
    assert AnswerVocabulary.build(examples, 1).answers == ("bird",)


def test_equal_answers_have_a_fixed_order_and_nothing_is_no_answer() -> None:
    examples = [Example("a.jpg", "?", answer=answer) for answer in ("b", "c", "a cow", "?!")]
    assert AnswerVocabulary.build(examples, 10).answers == ("b", "c", "cow")


def test_upper_bound_by_hand() -> None:
    vocabulary = AnswerVocabulary(("dog", "2", "red"))
    examples = [
        answered(*["cat"] * 4, *["dog"] * 3, *["bird"] * 3),  # dog: 0.9
        Example("a.jpg", "?", answer="Two"),  # 1
        Example("a.jpg", "?", answer="blue"),  # 0
        Example("a.jpg", "?", answer_scores={"red": 0.667, "pink": 1.0}),  # 0.667
        Example("a.jpg", "?"),  # no answer is known: left out
    ]
    assert vocabulary.upper_bound(examples) == pytest.approx(100 * (0.9 + 1 + 0 + 0.667) / 4)
    assert vocabulary.upper_bound([]) == 0


def test_no_answers_at_all() -> None:
    for examples in ([], [Example("a.jpg", "?")], [answered("x", "y", "z", "w")]):
        assert "No answer was given often enough in the training questions" in refusal(
            AnswerVocabulary.build, examples, 10
        )
