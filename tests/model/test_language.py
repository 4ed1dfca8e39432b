import pytest

from tests.data.refusal import refusal
from vqa.model.text import check_known, language_of

QUESTIONS = {
    "Spanish": ["¿De qué color es la jirafa?", "que color es el coche", "¿hay un perro?"],
    "French": ["De quelle couleur est la voiture ?", "que fait l'homme ?", "y a-t-il un chien ?"],
    "German": ["Welche Farbe hat das Auto?", "wie viele Personen sind auf dem Bild?", "was ist das?"],
    "Italian": ["di che colore è la macchina?", "quante persone ci sono?"],
    "Portuguese": ["De que cor é o carro?", "o que o homem está fazendo?"],
    "Dutch": ["welke kleur heeft de auto?", "hoeveel mensen zijn er?"],
    "Japanese": ["猫は何色ですか"],
    "Chinese": ["猫是什么颜色的?"],
    "Korean": ["차는 무슨 색입니까?"],
    "Greek": ["τι χρώμα είναι;"],
    "a language in Cyrillic letters": ["какого цвета машина?"],
    "a language in Arabic letters": ["ما لون السيارة؟"],
}


def split(question: str) -> list[str]:
    return question.replace("'", " ").replace("-", " ").replace("¿", "").replace("?", "").split()


@pytest.mark.parametrize("language", QUESTIONS)
def test_the_language_is_named(language: str) -> None:
    for question in QUESTIONS[language]:
        words = split(question)
        assert language_of(words) == language, question
        assert f"is in {language}, and the model knows 0 of its" in refusal(check_known, question, words, words)
        assert not check_known(question, words, words[: len(words) // 4])  # a model that knows it is asked


@pytest.mark.parametrize(
    "question",
    [
        "what is on the table?", "is the man wearing a hat?", "does the sign say la casa de papel?", "is he on a quad",
        "where is the die?", "wat colr is teh cat", "what does es mean", "1 2 3", "is de niro in it?", "é",
    ],
)  # fmt: skip
def test_english_is_not_taken_for_another_language(question: str) -> None:
    assert language_of(split(question)) is None


def test_many_unknown_words_are_remarked_and_all_are_refused() -> None:
    every = ["wat", "colr", "is", "teh", "cat"]
    assert check_known("", every, ["wat"]) == check_known("", every, ["wat", "colr"]) == ""
    assert check_known("", every, ["wat", "colr", "teh"]) == "the model does not know 3 of the 5 words of the question"
    assert "knows none of the words in 'xyz'" in refusal(check_known, "xyz", ["xyz"], ["xyz"])
