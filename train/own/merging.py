"""Answers that are nearly the same, such as 'left kidneys' and 'kidney, left', which a model takes for two."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import ne

from vqa.data.examples import Example, reference

LONG, RARE = 7, 3  # letters of an answer with a typing error, and how many times its right form is as common


def near_equal(count: Counter[str]) -> dict[str, str]:
    """Each rarer answer with the most common one that it is nearly equal to.

    count: how often each normalised answer is given. Two answers are nearly equal if they differ in the order of the
    words, a plural, hyphens and commas, or if a rare long one has a single letter too many, too few, or another one.
    """
    common: dict[str, str] = {}
    targets: dict[str, str] = {}
    typed: defaultdict[str, list[str]] = defaultdict(list)
    for answer, n in sorted(count.items(), key=lambda item: (-item[1], item[0])):
        target = common.setdefault(form(answer), answer)
        near = (other for key in without_a_letter(answer) for other in typed[key] if RARE * n <= count[other])
        if target == answer:
            target = next((other for other in near if one_letter_apart(answer, other)), answer)
        if target != answer:
            targets[answer] = target
            continue
        for key in without_a_letter(answer):
            typed[key].append(answer)
    return targets


def form(answer: str) -> str:
    """What nearly equal answers share: the words without their plural s, sorted; digits and short words stay."""
    words = re.findall(r"\w+", answer.replace("-", ""))
    return " ".join(sorted(word[:-1] if re.fullmatch(r"[a-z]{3,}[^s]s", word) else word for word in words)) or answer


def without_a_letter(answer: str) -> Iterator[str]:
    """A long answer, and each form of it that lacks one letter; nothing for a short one or one with digits."""
    if len(answer) >= LONG and not re.search(r"\d", answer):
        yield answer
        yield from (answer[:i] + answer[i + 1 :] for i in range(len(answer)))


def one_letter_apart(a: str, b: str) -> bool:
    """For two texts that share a form of `without_a_letter`. Equally long ones may lack their letters in different
    places."""
    return len(a) != len(b) or sum(map(ne, a, b)) == 1


def merged(examples: Sequence[Example], targets: dict[str, str]) -> list[Example]:
    """The examples with the answers that `near_equal` says; questions with several people's answers stay."""

    def answer(example: Example) -> str | None:
        given = None if example.answers or example.answer_scores else reference(example)
        return None if given is None else targets.get(given)

    return [example if (new := answer(example)) is None else replace(example, answer=new) for example in examples]
