"""'Did you mean …?' under the question, and the alignment picture."""

import pytest
from gradio_client.exceptions import AppError

from ui.models import Models
from ui.question.suggestions import Repair
from ui.tabs.inside.alignment import Alignment
from vqa.language.repair import Repairer


@pytest.fixture
def repairing(models) -> Repair:
    return Repair(models)


@pytest.fixture
def alignment(models) -> Alignment:
    return Alignment(models)


def test_only_a_question_with_unknown_words_is_mended(repairing, vqa):
    assert vqa.words("waht is on the table?")[1] == ["waht"]
    assert repairing.suggest_repair("waht is on the table?") == ["what is on the table?"]
    assert repairing.suggest_repair("what is on the table?") == []


@pytest.mark.parametrize("question", ["", "   ", "a" * 200, "猫は何色ですか"])
def test_what_cannot_be_mended_is_not_offered(repairing, question):
    assert repairing.suggest_repair(question) == []


def test_the_alignment_is_drawn_or_the_reason_told(alignment):
    html = alignment.alignment("waht is it?")
    assert "<svg" in html and "How 'what is it?' (rows)" in html
    assert "The question is empty" in alignment.alignment("") and "<svg" not in alignment.alignment("")
    assert "<b>" not in alignment.alignment("is <b> it?")


def test_the_api_gives_the_object_of_the_command_line(client):
    found = client.predict("waht is it?", api_name="/repair")
    assert found == Repairer.load().repair("waht is it?").to_dict()
    assert found["changed"] and found["text"] == "what is it?"
    with pytest.raises(AppError, match="has 151 characters"):
        client.predict("a" * 151, api_name="/repair")


def test_without_pytorch_nothing_is_offered(vqa, monkeypatch):
    def lacking(folder: None = None) -> Repairer:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(Repairer, "load", lacking)
    models = Models()
    models.load(vqa)
    assert Repair(models).suggest_repair("waht is on the table?") == []
    assert "needs PyTorch" in Alignment(models).alignment("waht is it?")
