"""Completions and 'Did you mean …?' above the question, from the bundled models, and their API."""

import html

import pytest
from gradio_client.exceptions import AppError

from ui.learn.alignment import Alignment
from ui.thread.suggestions import Suggestions
from vqa.language.complete import Completer
from vqa.language.repair import Repairer


def test_the_api_gives_probabilities(client):
    found = client.predict("how many peo", 2, api_name="/complete")
    assert [one["text"] for one in found] == [one.text for one in Completer.load().complete("how many peo", 2)]
    assert [completion.keys() for completion in found] == [{"text", "probability"}] * 2
    assert found[0]["text"].startswith("how many people") and found[0]["probability"] >= found[1]["probability"]
    for text, top, message in (("a" * 301, 3, "has 301 characters"), ("what", 0, "1 to 10"), ("what", 11, "1 to")):
        with pytest.raises(AppError, match=message):
            client.predict(text, top, api_name="/complete")


@pytest.mark.parametrize(
    ("typed", "repaired"),
    [
        ("waht is on the table?", "what is on the table?"),
        ("what is on the table?", ""),  # all of its words are known
        ("", ""),
        ("a" * 200, ""),
        ("猫は何色ですか", ""),
    ],
)
def test_only_a_question_with_unknown_words_is_repaired(models, typed, repaired):
    assert Suggestions(models).did_you_mean(typed) == {"text": repaired}


def test_the_alignment_is_drawn_or_the_reason_reported(models):
    picture = Alignment(models).alignment("waht is it?")
    assert "<svg" in picture and "How 'what is it?' (rows)" in html.unescape(picture)
    picture = Alignment(models).alignment("")
    assert "The question is empty" in picture and "<svg" not in picture
    assert "<b>" not in Alignment(models).alignment("is <b> it?")


def test_the_api_repairs_as_the_command_line_does(client):
    found = client.predict("waht is it?", api_name="/repair")
    assert found == Repairer.load().repair("waht is it?").to_dict()
    assert found["changed"] and found["text"] == "what is it?"
    with pytest.raises(AppError, match="has 151 characters"):
        client.predict("a" * 151, api_name="/repair")
