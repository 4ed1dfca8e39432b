"""Questions that the character model makes up: some to search cells with, where there is no file of real ones."""

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vqa.language.complete import Completer

PLAIN = (
    "what is the ",
    "what color is the ",
    "how many ",
    "where is the ",
    "is the ",
    "are the ",
    "is there a ",
    "who ",
)
COLOURED = ("is the {} ", "what is on the {} ", "who is wearing the {} ", "why is it {}")
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown")
COUNTED = ("are there {} ", "do you see the {} ", "what are these {} ")
NUMBERS = ("two", "three", "four", "five")


def made_up_questions(model: "Completer", each: int = 8, seed: int = 0) -> list[str]:
    """Different questions, `each` from every beginning; colours and numbers stand at several places in them."""
    prompts = list(PLAIN) * 2
    for wordings, words in ((COLOURED, COLOURS), (COUNTED, NUMBERS)):
        prompts += [wording.format(word) for wording, word in product(wordings, words)]
    made = [text for i, prompt in enumerate(prompts) for text in model.samples(each, prompt, 0.7, seed + i)]
    return list(dict.fromkeys(made))
