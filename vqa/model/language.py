"""Which language a question is in, where its letters or its most common words make that clear."""

import unicodedata
from collections.abc import Sequence

SCRIPTS = {
    **dict.fromkeys(("HIRAGANA", "KATAKANA"), "Japanese"),
    **{"HANGUL": "Korean", "CJK": "Chinese", "GREEK": "Greek", "HEBREW": "Hebrew", "THAI": "Thai"},
    **{"CYRILLIC": "a language in Cyrillic letters", "ARABIC": "a language in Arabic letters"},
    "DEVANAGARI": "a language in Devanagari letters",
}
# Common words of questions; none of them is an English one, so that one or two of them are clear.
COMMON = {
    "Spanish": """qué que cuál cuántos cuántas cuantos cuantas dónde donde quién está están esta el la los las es son un
        una hay del en y de este esto hombre mujer perro gato""",
    "French": """quel quelle quels quelles est sont ce cet cette que qu combien où le la les un une il elle y des du de
        sur dans fait avec couleur qui""",
    "German": """welche welcher welches wie viele wer wo ist sind das der dem den ein eine einen auf im mit und gibt es
        macht steht farbe""",
    "Italian": """che di quale quanti quante dove chi il lo la gli un una è sono nella nel colore cosa fa questo
        questa""",
    "Portuguese": """que de qual quantos quantas onde quem o os as um uma é há são está tem na no do da cor homem""",
    "Dutch": """wat welke hoeveel waar wie het een er zijn heeft doet op de staat kleur""",
}
_COMMON = {language: frozenset(words.split()) for language, words in COMMON.items()}


def language_of(words: Sequence[str]) -> str | None:
    """The language of a question of these words; None for English, and where it is not clear.

    Letters other than Latin decide at once. Otherwise half of the words, and two at least, must be common ones of a
    language, more than of any other; of languages with equally many the first counts.
    """
    names = {unicodedata.name(letter, "?").split()[0] for word in words for letter in word if letter.isalpha()}
    if found := next((language for script, language in SCRIPTS.items() if script in names), None):
        return found
    counts = {name: sum(word.lower() in common for word in words) for name, common in _COMMON.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= max(2, len(words) / 2) else None
