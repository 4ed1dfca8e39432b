"""Unknown words that are read as known ones: British spellings, synonyms, contractions without apostrophe, plurals and
singulars."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import normalizers

# Both words of a pair mean the same in a question about a photo, and people write the second one in VQA. Plurals follow
# by themselves. Left out are words that are common in VQA themselves (bike, fridge, sofa, photo, kid), and those that
# also mean something else (football, jumper, lift, mobile, trainers, chips).
SPELLINGS = """
aeroplane airplane, ageing aging, aluminium aluminum, armour armor, armoured armored, artefact artifact,
behaviour behavior, catalogue catalog, centre center, centred centered, centrepiece centerpiece, chequered checkered,
chilli chili, colour color, coloured colored, colourful colorful, colouring coloring, cosy cozy, defence defense,
doughnut donut, favourite favorite, fibre fiber, flavour flavor, flavoured flavored, grey gray, greyish grayish,
harbour harbor, honour honor, humour humor, jewelery jewelry, jewellery jewelry, kerb curb, labelled labeled,
licence license, litre liter, metre meter, mould mold, mouldy moldy, moustache mustache,
multicoloured multicolored, neighbour neighbor, neighbourhood neighborhood, odour odor, omelette omelet, parlour parlor,
plough plow, practise practice, programme program, pyjamas pajamas, savoury savory,
signalling signaling, storey story, theatre theater, traveller traveler, travelling traveling, tyre tire, vapour vapor,
waggon wagon, yoghurt yogurt
"""
SYNONYMS = """
doggie dog, doggy dog, image picture, lorry truck, mum mom, photograph photo, pic picture, rubbish trash, settee couch,
snapshot photo, telly tv, trousers pants
"""
COMPOUNDS = """
cellphone cell phone, firehydrant fire hydrant, firetruck fire truck, icecream ice cream, stopsign stop sign,
teddybear teddy bear, trafficlight traffic light, tshirt t shirt
"""
CONTRACTIONS = """
arent are n't, cant ca n't, couldnt could n't, didnt did n't, doesnt does n't, dont do n't, hadnt had n't,
hasnt has n't, havent have n't, isnt is n't, shouldnt should n't, wasnt was n't, werent were n't, wont wo n't,
wouldnt would n't, hes he 's, heres here 's, hows how 's, shes she 's, thats that 's, theres there 's, theyre they 're,
whats what 's, whens when 's, wheres where 's, whos who 's, whys why 's, youre you 're
"""
IZE = {"ize": "ise", "izes": "ises", "ized": "ised", "izing": "ising", "ization": "isation"}
MARK = "__"  # before a word that is to be replaced; no part of a word
NOUN_ENDINGS = "acdeghklmnoprstwy"  # of nearly all nouns; each further one takes time for every question
MUCH_LATER = 3  # in VQA's questions a word with three times the number of another is four to seven times as rare


def pairs(table: str) -> dict[str, str]:
    """The words of a table and what each is read as."""
    return dict(pair.strip().split(maxsplit=1) for pair in table.replace("\n", " ").split(","))  # type: ignore[misc]


def readings(words: Sequence[str]) -> dict[str, str]:
    """What is read as words of a vocabulary, as {"colour": "color", "whats": "what's", "camels": "camel"}.

    A pair of the tables applies if the vocabulary has what it is read as but not the word itself, or has the word much
    later and so with few examples. A plural or a singular applies if the vocabulary has only the other.

    words: the vocabulary, the most common words first.
    """
    number = {word: i for i, word in enumerate(words)}
    found: dict[str, str] = {}
    for word, parts in (*_pairs(words), *_numbers(number)):
        if all(part in number for part in parts.split()):
            first = max(number[part] for part in parts.split())
            if MUCH_LATER * first <= number.get(word, float("inf")):
                found.setdefault(word, parts.replace(" '", "'").replace(" n't", "n't"))
    return {word: found.get(target, target) for word, target in found.items()}  # "greys" is "grey", and so "gray"


def replacements(readings: Mapping[str, str]) -> "list[normalizers.Replace]":
    """Normalizers that write each word as what it is read as, in lower-case text.

    `Replace` writes the same text at each place and gives all of it the offset of the last character that it replaces.
    So only the part that differs is replaced, after the first character; if that differs too, it is replaced before
    the rest ("lorry", "t_orry", "truck"). The offsets of a word then remain those of the word as asked.

    As few questions have such a word, the first normalizer searches for all of them and marks them, and the others
    search for the mark only, which is faster.
    """
    from tokenizers import Regex, normalizers

    if not readings:
        return []
    first, rest = {}, {}
    for word, target in readings.items():
        bridge = word
        if word[0] != target[0]:
            bridge = first[word] = f"{target[0]}_{word[1:]}"
        rest[bridge] = target
    mark = normalizers.Replace(Regex(rf"\b(?={_tree(readings)}\b)"), MARK)
    return [mark] + [normalizers.Replace(Regex(p), new) for step in (first, rest) for new, p in _patterns(step).items()]


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each word of the tables, and of the verbs in -ise, with the parts that it is read as."""
    yield from pairs(CONTRACTIONS).items()
    for word, parts in (pairs(SPELLINGS) | pairs(SYNONYMS) | pairs(COMPOUNDS)).items():
        yield word, parts
        for plural in plurals(word):
            yield from ((plural, target) for target in plurals(parts))
    for word in words:
        for american, british in IZE.items():
            if word.endswith(american):
                yield word.removesuffix(american) + british, word


def _numbers(words: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Unknown plurals with their singulars, and the reverse."""
    for word in words:
        if len(word) < 3 or not (word.isascii() and word.isalpha()):
            continue
        if word[-1] in NOUN_ENDINGS:
            yield from ((plural, word) for plural in plurals(word) if plural not in words)
        stems = (word[:-3] + "y", word[:-2], word[:-1], word[:-2] + "an")
        singulars = [stem for stem in stems if len(stem) > 2 and word in plurals(stem)]
        if not any(singular in words for singular in singulars):
            yield from ((singular, word) for singular in singulars)


def plurals(word: str) -> list[str]:
    """The plurals that an English noun may have; an empty list for a word that looks like a plural or a participle.

    It may be the singular of several words ("cell phone"), of which the last one changes.
    """
    if word.endswith("man"):
        return [word[:-2] + "en"]
    if word.endswith(("ss", "us", "x", "z", "ch", "sh")):
        return [word + "es"]
    if word.endswith("s") or (word.endswith("ed") and not word.endswith("eed") and len(word) > 4):
        return []
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return [word[:-1] + "ies"]
    return [word + "es", word + "s"] if word.endswith("o") else [word + "s"]


def _patterns(targets: Mapping[str, str]) -> dict[str, str]:
    """For each text that is written, a regular expression of what it replaces."""
    places: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for word, target in targets.items():
        before, old, new, after = _edit(word, target)
        places[new][old, after].append(before)
    return {
        new: f"{MARK}(?:" + "|".join(rf"{_tree(b)}\K{old}(?={after}\b)" for (old, after), b in edits.items()) + ")"
        for new, edits in places.items()
    }


def _edit(word: str, target: str) -> tuple[str, str, str, str]:
    """`before, old, new, after` with which `word` is before + old + after, and `target` is before + new + after."""
    start = _same(word, target)
    end = _same(word[start:][::-1], target[start:][::-1])
    if start and end == 0 and start == len(target):  # the end of the word is dropped: its last character takes over
        start -= 1
    if target[start:].startswith("'"):  # belongs to the character after it, not to the one before
        end -= 1
    return word[:start], word[start : len(word) - end], target[start : len(target) - end], word[len(word) - end :]


def _same(one: str, other: str) -> int:
    """The number of characters with which both begin."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _tree(texts: Iterable[str]) -> str:
    """A regular expression of texts in letters: a prefix tree, in which few branches are tried for each word."""
    heads: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        heads[text[:1]].append(text[1:])
    optional = heads.pop("", None) is not None
    branches = [head + _tree(tails) for head, tails in sorted(heads.items())]
    if not branches:
        return ""
    return f"(?:{'|'.join(branches)})" + "?" * optional
