"""Robustness against a plain loop over questions and damages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vqa.data.examples import Example
from vqa.evaluation.probes.asked_again import generator_for
from vqa.evaluation.probes.damage import PHOTO_DAMAGES, QUESTION_DAMAGES, says_side
from vqa.evaluation.probes.robustness import Robustness
from vqa.predict import VQA

QUESTIONS = ["What color is the cat?", "How many dogs are there?", "Is it on the left table?"]
QUESTIONS += ["what is it?", "is the cat on the table"]


def robustness(*arguments: Any, **options: Any) -> dict[str, Any]:
    ((name, figures),) = Robustness(*arguments, **options).run()
    assert name == "robustness"
    return figures


@pytest.fixture(scope="module")
def asked(noise_photos: Callable[..., list[str]]) -> list[tuple[str, str]]:
    """Photos of the model's own size, five questions each."""
    return [(name, question) for name in noise_photos(8, side=8) for question in QUESTIONS]


@pytest.fixture(scope="module")
def vqa(tiny_checkpoint: Path, asked: list[tuple[str, str]]) -> VQA:
    """A tiny model that has no favourite answer, so that small damages change what it says."""
    found = VQA.load(tiny_checkpoint, "cpu", "float32")
    logits = [found.logits(found.look(name).grid, [question], torch.tensor([0])).logits for name, question in asked]
    with torch.no_grad():
        found.model.answer_head[-1].get_parameter("bias").sub_(torch.from_numpy(np.concatenate(logits).mean(0)))
    return found


@pytest.fixture(scope="module")
def examples(vqa: VQA, asked: list[tuple[str, str]]) -> list[Example]:
    """About half of the references are the model's own answers."""
    own = [vqa.ask(name, question).text for name, question in asked]
    return [Example(*pair, own[i] if i % 2 else "no", question_id=i) for i, pair in enumerate(asked)]


@pytest.fixture(scope="module")
def found(vqa: VQA, examples: list[Example]) -> dict[str, Any]:
    return robustness(vqa, examples, seed=3)


def test_figures_are_those_of_a_plain_loop(vqa: VQA, examples: list[Example], found: dict[str, Any]) -> None:
    assert list(found["variants"]) == [*QUESTION_DAMAGES, *PHOTO_DAMAGES] and found["n"] == 40
    plain = {e: vqa.ask(e.image, e.question).text for e in examples}
    assert found["plain"] == pytest.approx(100 * np.mean([plain[e] == e.answer for e in examples]))
    changes = 0
    for name, figures in found["variants"].items():
        answers = {}
        for e in examples:
            if name in QUESTION_DAMAGES:
                question = QUESTION_DAMAGES[name](e.question, generator_for(3, e))
                if question is not None:
                    answers[e] = vqa.ask(e.image, question).text
            elif name != "mirrored" or not says_side(e.question):
                answers[e] = vqa.ask(PHOTO_DAMAGES[name](Image.open(e.image)), e.question).text
        # a variant counts the questions that it fits
        assert figures["n"] == len(answers) == {"typos": 32, "paraphrase": 16, "mirrored": 32}.get(name, 40)
        exact, before = (100 * np.mean([given[e] == e.answer for e in answers]) for given in (answers, plain))
        changed = float(100 * np.mean([answers[e] != plain[e] for e in answers]))
        assert (figures["exact"], figures["plain"]) == pytest.approx((exact, before), abs=0.006)
        assert (figures["drop"], figures["changed"]) == pytest.approx((before - exact, changed), abs=0.006)
        low, high = figures["interval"]
        assert low <= figures["drop"] <= high
        changes += int(changed > 0)
    assert changes >= 5  # the loop saw something


def test_order_does_not_matter(vqa: VQA, examples: list[Example], found: dict[str, Any]) -> None:
    advanced: list[int] = []
    assert robustness(vqa, examples[::-1], seed=3, advance=advanced.append) == found
    assert sum(advanced) == 40


def test_seed_changes_only_the_typos(vqa: VQA) -> None:
    example = Example("a.jpg", "What color is the umbrella?")
    for name in (*QUESTION_DAMAGES, "blur"):
        drawn = {Robustness(vqa, [], seed).variant(example, name) for seed in range(20)}
        assert len(drawn) > 10 if name == "typos" else len(drawn) == 1


def test_unreadable_examples_are_counted_and_empty_variants_are_none(vqa: VQA, examples: list[Example]) -> None:
    few = [Example(examples[0].image, "what is it?", "no"), Example("nowhere.png", "what is it?", "no")]
    found = robustness(vqa, few)
    assert (found["n"], found["skipped"]) == (1, 1)
    nothing = {"n": 0, "plain": None, "exact": None, "drop": None, "interval": None, "changed": None}
    assert found["variants"]["typos"] == found["variants"]["paraphrase"] == nothing
