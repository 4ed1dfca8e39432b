"""Completions under the question, from the bundled model."""

import pytest
from gradio_client.exceptions import AppError

from ui.question.suggestions import Complete
from vqa.language.complete import Completer


@pytest.fixture(scope="module")
def completing(models) -> Complete:
    return Complete(models)


def test_a_question_that_is_being_typed_is_completed(completing):
    found = completing.suggest_completions("what colo")
    assert len(found) == 3 and all(text.startswith("what color") and text.endswith("?") for text in found)
    assert found == [completion.text for completion in Completer.load().complete("what colo")]


@pytest.mark.parametrize("typed", ["", "   ", "a" * 301])
def test_what_cannot_be_completed_has_no_completions(completing, typed):
    assert completing.suggest_completions(typed) == []


def test_the_api_tells_probabilities(client):
    found = client.predict("how many peo", 2, api_name="/complete")
    assert [completion.keys() for completion in found] == [{"text", "probability"}] * 2
    assert found[0]["text"].startswith("how many people") and found[0]["probability"] >= found[1]["probability"]
    for text, top, told in (
        ("a" * 301, 3, "has 301 characters"),
        ("what", 0, "1 to 10 completions"),
        ("what", 11, "1 to"),
    ):
        with pytest.raises(AppError, match=told):
            client.predict(text, top, api_name="/complete")
