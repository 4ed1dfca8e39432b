"""The vocabularies of a model: its answers, and the words of its questions."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vqa.data.examples import Example, targets
from vqa.data.spellings import readings, replacements
from vqa.model.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PADDING, UNKNOWN = "[PAD]", "[UNK]"  # words 0 and 1 of every tokenizer


@dataclass(frozen=True)
class AnswerVocabulary:
    """The answers of a model, normalised, so that "two" and "2" are one, the most common first."""

    answers: tuple[str, ...]

    @classmethod
    def build(cls, examples: Iterable[Example], size: int) -> "AnswerVocabulary":
        """The `size` answers with the largest sums of soft scores over the training questions.

        If answers exclude each other, these raise the upper bound on the training questions the most. Answers with a
        sum below 1 are excluded. Raises `InputError` if no answer is left.
        """
        total: defaultdict[str, float] = defaultdict(float)
        for example in examples:
            for answer, score in targets(example).items():
                total[answer] += score
        total.pop("", None)  # an answer of punctuation alone normalises to nothing
        ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
        answers = tuple(answer for answer, count in ranked[:size] if count >= 1)
        if not answers:
            raise InputError(
                "No answer was given often enough in the training questions; give examples with 'answer' or 'answers'."
            )
        return cls(answers)

    @cached_property
    def index(self) -> dict[str, int]:
        """Answer to its number."""
        return {answer: number for number, answer in enumerate(self.answers)}

    def __len__(self) -> int:
        return len(self.answers)

    def upper_bound(self, examples: Iterable[Example]) -> float:
        """The best mean soft score, in percent, of any model with this vocabulary on the examples with known
        answers; 0 if there is none."""
        known = [scores for scores in map(targets, examples) if scores]
        best = [max((s for a, s in scores.items() if a in self.index), default=0.0) for scores in known]
        return 100 * sum(best) / len(best) if best else 0.0


def build_tokenizer(questions: Iterable[str], min_count: int = 1, size: int | None = None) -> "PreTrainedTokenizerFast":
    """A word-level tokenizer over the words of `questions`; 0 is the padding, 1 an unknown word.

    Words are runs of letters and digits, in lower case and without accents, clitics separated as in the Penn
    Treebank and GloVe ("what's" is "what" and "'s", "isn't" is "is" and "n't"); everything else is dropped. Other
    spellings, some synonyms, plurals and singulars of known words are read as these (`vqa.data.spellings`).
    Offsets refer to the question as it was asked.

    Args:
        questions: the training questions.
        min_count: rarer words become unknown.
        size: the most words, the most common ones, beside the padding and the unknown word.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    word = Regex(r"n't\b|'(?:s|re|ve|ll|d|m)\b|[\p{L}\p{N}]+?(?=n't\b)|[\p{L}\p{N}]+")
    tokenizer = Tokenizer(models.WordLevel({PADDING: 0, UNKNOWN: 1}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(word, behavior="removed", invert=True)  # removes what is no word
    return _with_words(tokenizer, questions, min_count, size)


def extend_tokenizer(
    tokenizer: "PreTrainedTokenizerFast", questions: Iterable[str] = (), min_count: int = 1
) -> "PreTrainedTokenizerFast":
    """The same tokenizer with the unknown words of `questions` appended. Arguments as for `build_tokenizer`.

    Known words keep their numbers. Without questions only what is read as known words is brought up to date.
    """
    return _with_words(tokenizer.backend_tokenizer, questions, min_count)


def _with_words(
    tokenizer: Any, questions: Iterable[str], min_count: int, size: int | None = None
) -> "PreTrainedTokenizerFast":
    """A tokenizer extended by the words that occur at least `min_count` times, the most common first."""
    from tokenizers import Regex, Tokenizer, normalizers
    from transformers import PreTrainedTokenizerFast

    apostrophe = normalizers.Replace(Regex("[\u2019\u2018\u02bc`\u00b4]"), "'")
    steps = [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), apostrophe]
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    old = sorted(vocabulary, key=vocabulary.__getitem__)

    def pieces(text: str) -> list[str]:
        return [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]

    def common() -> list[str]:
        return sorted((w for w, n in count.items() if n >= min_count), key=lambda w: (-count[w], w))[:size]

    normalizer = normalizers.Sequence(steps)
    count = Counter(piece for question in questions for piece in pieces(normalizer.normalize_str(question)))
    for word, target in readings([*old, *(w for w in common() if w not in vocabulary)]).items():
        for piece in pieces(target) if word in count else ():
            count[piece] += count[word]
        del count[word]
    for word in common():
        vocabulary.setdefault(word, len(vocabulary))
    extended = Tokenizer.from_str(json.dumps(content))
    extended.normalizer = normalizers.Sequence([*steps, *replacements(readings(list(vocabulary)))])
    return PreTrainedTokenizerFast(
        tokenizer_object=extended,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        padding_side="right",
        split_special_tokens=True,  # "[PAD]" in a question is a word
    )
