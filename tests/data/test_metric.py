import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.refusal import refusal
from vqa.data.metric import _ARTICLES, _CONTRACTIONS, _NUMBER_WORDS, _PUNCTUATION
from vqa.evaluation import normalize_answer, official_accuracy, soft_scores, vqa_accuracy


@dataclass
class Question:
    answers: list[str]
    question_type: str | None = None
    answer_type: str | None = None


def load(shared: Path, name: str) -> Any:
    return json.loads((shared / "conformance" / name).read_text())


def test_every_official_normalisation(shared: Path) -> None:
    cases = load(shared, "vqa_metric.json")["normalise"]
    cases += load(shared, "vqa_metric_real_answers.json")["normalise"]
    assert len(cases) == 1690
    assert [(text, normalize_answer(text)) for text, _ in cases] == [tuple(case) for case in cases]


def test_every_official_accuracy(shared: Path) -> None:
    cases = load(shared, "vqa_metric.json")["accuracy"]
    assert len(cases) == 25
    assert [vqa_accuracy(c["pred"], c["answers"]) for c in cases] == [c["expected"] for c in cases]


def test_unanimous_answers_with_and_without_normalisation() -> None:
    for prediction, answer, official in (("Black.", "black", 0), ("dog", "the dog", 0), ("the dog", "the dog", 100)):
        assert vqa_accuracy(prediction, [answer] * 10) == official
        assert vqa_accuracy(prediction, [answer] * 10, normalize_all=True) == 100
    assert vqa_accuracy("Black.", ["black"] * 9 + ["red"]) == 100


def test_official_run_over_real_questions(shared: Path) -> None:
    run = load(shared, "vqa_metric_val_run.json")
    annotations = json.loads((shared / "data/vqa-v2-official/annotations_val.json").read_text())["annotations"]
    predictions = {p["question_id"]: p["answer"] for p in run["predictions"]}
    questions = {
        a["question_id"]: Question([x["answer"] for x in a["answers"]], a["question_type"], a["answer_type"])
        for a in annotations
    }
    assert len(questions) == 536
    scores = {str(i): vqa_accuracy(predictions[i], q.answers) for i, q in questions.items()}
    assert scores == run["per_question"]
    totals = official_accuracy((predictions[i], q) for i, q in questions.items())
    assert totals == run["accuracy"]


def test_tables_are_the_official_ones(shared: Path) -> None:
    tables = load(shared, "vqa_metric_tables.json")
    # Words are small before they are looked up, and a word that maps to itself is no entry.
    reached = {k: v for k, v in tables["contractions"].items() if k == k.lower() and k != v}
    assert reached == _CONTRACTIONS
    assert tables["numbers"] == _NUMBER_WORDS
    assert set(tables["articles"]) == _ARTICLES
    assert tuple(tables["punctuation"]) == _PUNCTUATION


@given(st.lists(st.sampled_from(["cat", "The cat.", "dog", "two", "2", "red,white"]), min_size=4, max_size=12))
def test_soft_scores_are_the_metric(answers: list[str]) -> None:
    if len(set(answers)) == 1:  # compared as they stand, unlike targets
        assert soft_scores(answers) == {normalize_answer(answers[0]): 1.0}
        return
    for answer, score in soft_scores(answers).items():
        assert vqa_accuracy(answer, answers) == round(100 * score, 2)


def test_soft_scores_of_few_answers_are_shares() -> None:
    assert soft_scores(["Cat."]) == {"cat": 1.0}
    assert soft_scores(["cat", "dog"]) == {"cat": 0.5, "dog": 0.5}
    assert soft_scores(["cat", "cat", "dog"]) == pytest.approx({"cat": 2 / 3, "dog": 1 / 3})


@settings(max_examples=50)
@given(st.text())
def test_any_text_normalises_to_single_spaced_small_words(text: str) -> None:
    normalised = normalize_answer(text)
    assert normalised == " ".join(normalised.split())
    assert not set(normalised.split()) & _ARTICLES


def test_question_without_answers_is_refused() -> None:
    assert "without human answers" in refusal(vqa_accuracy, "cat", [])
    assert "nothing to score" in refusal(official_accuracy, [])


def test_unknown_types_are_counted_apart() -> None:
    totals = official_accuracy([("cat", Question(["cat"] * 10)), ("cat", Question(["dog"] * 10, "what", "other"))])
    kinds = {"perQuestionType": {"unknown": 100.0, "what": 0.0}, "perAnswerType": {"unknown": 100.0, "other": 0.0}}
    assert totals == {"overall": 50.0, **kinds}
