"""The answers that a model can give, and the words that it knows."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vqa.data.examples import Example, targets
from vqa.model.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PADDING, UNKNOWN = "[PAD]", "[UNK]"  # words 0 and 1 of every tokenizer


@dataclass(frozen=True)
class AnswerVocabulary:
    """Normalised answers, the most common first, so that "two" and "2" are one answer."""

    answers: tuple[str, ...]

    @classmethod
    def build(cls, examples: Iterable[Example], size: int, min_count: float = 1.0) -> "AnswerVocabulary":
        """The `size` answers with the largest sums of soft scores over the training questions.

        Where answers exclude each other, these raise the upper bound on the training questions the most.
        Answers with a sum below `min_count` are left out.

        Raises:
            InputError: no example has an answer.
        """
        total: defaultdict[str, float] = defaultdict(float)
        for example in examples:
            for answer, score in targets(example).items():
                total[answer] += score
        total.pop("", None)  # an answer of punctuation alone normalises to nothing
        ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
        answers = tuple(answer for answer, count in ranked[:size] if count >= min_count)
        if not answers:
            raise InputError(
                f"No answer was given {min_count:g} times in the training questions; "
                "give examples with 'answer' or 'answers'."
            )
        return cls(answers)

    @cached_property
    def index(self) -> dict[str, int]:
        """Answer to its number."""
        return {answer: number for number, answer in enumerate(self.answers)}

    def __len__(self) -> int:
        return len(self.answers)

    def upper_bound(self, examples: Iterable[Example]) -> float:
        """The best mean soft score, in percent, that any model with this vocabulary can reach on the examples
        whose answers are known; 0 where none is."""
        known = [scores for scores in map(targets, examples) if scores]
        best = [max((s for a, s in scores.items() if a in self.index), default=0.0) for scores in known]
        return 100 * sum(best) / len(best) if best else 0.0


def build_tokenizer(questions: Iterable[str], min_count: int = 1, size: int | None = None) -> "PreTrainedTokenizerFast":
    """A word-level tokenizer over the words of `questions`; 0 is the padding, 1 an unknown word.

    Words are runs of letters and digits, small and without accents, clitics apart as in the Penn Treebank and
    GloVe ("what's" is "what" and "'s", "isn't" is "is" and "n't"); everything between them is dropped. Their
    offsets are those of the question as it was asked.

    Args:
        questions: the training questions.
        min_count: rarer words become unknown.
        size: at most so many words, the most common ones, beside the padding and the unknown word.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    small = [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
    apostrophe = normalizers.Replace(Regex("[\u2019\u2018\u02bc`\u00b4]"), "'")
    word = Regex(r"n't\b|'(?:s|re|ve|ll|d|m)\b|[\p{L}\p{N}]+?(?=n't\b)|[\p{L}\p{N}]+")
    normalizer = normalizers.Sequence([*small, apostrophe])
    splitter = pre_tokenizers.Split(word, behavior="removed", invert=True)  # what is no word is removed

    kept = count_words(questions, normalizer, splitter, min_count)[:size]
    vocabulary = {w: i for i, w in enumerate([PADDING, UNKNOWN, *kept])}

    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    return _wrap(tokenizer)


def grow_tokenizer(
    tokenizer: "PreTrainedTokenizerFast", questions: Iterable[str], min_count: int = 1
) -> "PreTrainedTokenizerFast":
    """The same tokenizer with the words of `questions` that it does not know behind its own; they are split as it
    splits. Arguments as for `build_tokenizer`."""
    from tokenizers import Tokenizer

    old = tokenizer.backend_tokenizer
    content = json.loads(old.to_str())
    vocabulary = content["model"]["vocab"]
    for word in count_words(questions, old.normalizer, old.pre_tokenizer, min_count):
        vocabulary.setdefault(word, len(vocabulary))
    return _wrap(Tokenizer.from_str(json.dumps(content)))


def count_words(questions: Iterable[str], normalizer: Any, splitter: Any, min_count: int) -> list[str]:
    """The words that occur at least `min_count` times, the most common first."""
    count: Counter[str] = Counter()
    for question in questions:
        count.update(piece for piece, _ in splitter.pre_tokenize_str(normalizer.normalize_str(question)))
    return sorted((w for w, n in count.items() if n >= min_count), key=lambda w: (-count[w], w))


def _wrap(tokenizer: Any) -> "PreTrainedTokenizerFast":
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        padding_side="right",
        split_special_tokens=True,  # a user who types "[PAD]" means the word
    )
