"""Small damages to questions and photos that leave the right answer as it is."""

import io
import re
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from vqa.language.noise import NEIGHBOURS
from vqa.model.photos import open_photo

BLUR = 0.01  # standard deviation of the blur as a share of the photo's width
DARK = 0.3  # brightness that the dark photo keeps

_WORD = re.compile(r"(?<![A-Za-z'])[A-Za-z]{4,}(?![A-Za-z'])")
_PLAIN_WORDS = frozenset(
    """about also another anybody anyone anything around because been being both could does doing down each either
    else from have having here into just many more most much only other same shown some someone something such than
    that their them then there these they this those very visible were what when where which while whom whose will
    with would your""".split()  # noqa: SIM905 (a list of sixty quoted words is no easier to read)
)
_KINDS = {"kind": "type", "type": "kind", "sort": "kind"}
_THINGS = "animal|brand|food|fruit|holiday|room|season|shape|sport|utensil|vegetable|vehicle"
# A question that fits the pattern as a whole is asked in the other words.
_TEMPLATES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"what colou?r is (the .+)", r"which color does \1 have"),
    (r"what colou?r are (the .+)", r"which color do \1 have"),
    (r"how many ((?!of ).+?) are there(.*)", r"what is the number of \1\2"),
    (r"how many ((?!of ).+?) are ((?:in|on|at|visible)\b.*)", r"what is the number of \1 \2"),
    (r"(?:is|are) there ((?:an?|any|some) .+)", r"can you see \1"),
    (r"is this (an? .+)", r"would you say this is \1"),
    (r"what (is|are) (.+) doing", r"what activity \1 \2 doing"),
    (r"what (kind|type|sort) of (.+)", lambda m: f"what {_KINDS[m[1].lower()]} of {m[2]}"),
    (r"where (is|are) (the .+)", r"in what place \1 \2"),
    (r"what is (in|on|under|behind|next to|near) (the .+)", r"what can be seen \1 \2"),
    (rf"what ((?:{_THINGS})\b.+)", r"which \1"),
)
SIDE = re.compile(r"\b(left|right)(?=most\b|hand\b|\b)", re.IGNORECASE | re.ASCII)  # of 'leftmost' the side alone


def typo(question: str, generator: np.random.Generator) -> str | None:
    """One slip of the fingers in one content word of four letters or more; None if there is no such word.

    Two neighbours are swapped, or a letter is missing, doubled, or hit on the next key, as often each. The first letter
    stays: people rarely mistype it (Pollock & Zamora 1984).
    """
    words = [m for m in _WORD.finditer(question) if m[0].lower() not in _PLAIN_WORDS]
    if not words:
        return None
    word = words[int(generator.integers(len(words)))]
    kinds = slips(word[0])
    kind = kinds[int(generator.integers(len(kinds)))]
    return question[: word.start()] + kind[int(generator.integers(len(kind)))] + question[word.end() :]


def slips(word: str) -> list[list[str]]:
    """What a word may become: by a swap, a missing letter, a doubled one, a neighbouring key; no empty kind."""
    inner = range(1, len(word))
    kinds = [
        [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inner[:-1] if word[i] != word[i + 1]],
        [word[:i] + word[i + 1 :] for i in inner],
        [word[:i] + word[i] + word[i:] for i in inner],
        [word[:i] + key + word[i + 1 :] for i in inner for key in NEIGHBOURS[word[i].lower()]],
    ]
    return [kind for kind in kinds if kind]


def paraphrase(question: str) -> str | None:
    """The same question in other words, by the first of some templates that fits; None if none does."""
    bare = question.strip().rstrip("?").rstrip()
    for pattern, other in _TEMPLATES:
        if match := re.fullmatch(pattern, bare, re.IGNORECASE):
            words = match.expand(other) if isinstance(other, str) else other(match)
            return f"{words[0].upper()}{words[1:].strip()}?"
    return None


def jpeg(photo: Image.Image, quality: int) -> Image.Image:
    """An RGB photo as it comes back from a JPEG of this quality (1 to 95)."""
    content = io.BytesIO()
    photo.save(content, "JPEG", quality=quality)
    return open_photo(content.getvalue())


def blurred(photo: Image.Image, share: float = BLUR) -> Image.Image:
    """A Gaussian blur whose standard deviation is this share of the photo's width."""
    return photo.filter(ImageFilter.GaussianBlur(share * photo.width))


def says_side(question: str) -> bool:
    """Whether a question says left or right, so that its answer may change in the mirror."""
    return SIDE.search(question) is not None


QUESTION_DAMAGES: dict[str, Callable[[str, np.random.Generator], str | None]] = {
    "typos": typo,
    "paraphrase": lambda question, _: paraphrase(question),
    "no question mark and lower case": lambda question, _: question.lower().replace("?", ""),
    "capitals": lambda question, _: question.upper(),
}
PHOTO_DAMAGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg quality 30": partial(jpeg, quality=30),
    "jpeg quality 10": partial(jpeg, quality=10),
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "mirrored": ImageOps.mirror,
    "blur": blurred,
    "dark": lambda photo: photo.point(lambda value: round(value * DARK)),
}
