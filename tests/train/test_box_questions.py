"""Questions from boxes: their answers are true, and cannot be guessed from the question."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.train.refused import refused
from train.box_questions import (
    COUNT,
    HELD_OUT_KINDS,
    HELD_OUT_WORDINGS,
    MEASURED,
    PRESENCE,
    box_questions,
    fill,
    main,
    measure_presence,
)
from vqa.data.boxes import Box, Objects, read_boxes
from vqa.data.examples import Example
from vqa.data.kinds import KINDS

KIND_OF = {fill(wording, kind): kind for wording in (*PRESENCE, *COUNT) for kind in KINDS}


@pytest.fixture(scope="module")
def photos(shared: Path) -> dict[str, Objects]:
    return read_boxes(shared / "data/coco/boxes_val.jsonl")


@pytest.fixture(scope="module")
def examples(photos: dict[str, Objects]) -> list[Example]:
    return box_questions(photos, per_photo=3, seed=5)


def family(examples: list[Example], name: str) -> list[Example]:
    found = [example for example in examples if (example.question_type or "").startswith(name)]
    assert found, name
    return found


def test_presence_is_true_and_balanced(photos: dict[str, Objects], examples: list[Example]) -> None:
    count: dict[str, Counter] = defaultdict(Counter)
    for example in family(examples, "presence"):
        assert example.answer == ("yes" if KIND_OF[example.question] in photos[example.image].kinds else "no")
        count[example.question][example.answer] += 1
    assert all(answers["yes"] == answers["no"] for answers in count.values())
    assert len({example.question for example in family(examples, "presence")}) > 200


def test_numbers_kinds_and_sides_are_true(photos: dict[str, Objects], examples: list[Example]) -> None:
    for example in family(examples, "count"):
        kinds = [box.kind for box in photos[example.image].boxes]
        assert kinds.count(KIND_OF[example.question]) == int(example.answer)
    for example in family(examples, "which"):
        group = example.question_type.split()[1]
        assert {kind for kind in photos[example.image].kinds if KINDS[kind].group == group} == {example.answer}
    for example in family(examples, "side"):
        assert photos[example.image].aligned and example.answer in ("left", "right")
    sides = Counter(example.answer for example in family(examples, "side"))
    assert sides["left"] == sides["right"]


def test_relations_come_in_opposite_pairs() -> None:
    photos = {f"{i}.webp": Objects((Box("cat", 0.1, 0.1, 0.2, 0.2), Box("dog", 0.7, 0.7, 0.2, 0.2))) for i in range(40)}
    found = family(box_questions(photos, seed=2), "relation")
    truth = {"left": "cat", "above": "cat", "right": "dog", "below": "dog"}
    answers: dict[str, set[str]] = defaultdict(set)
    for example in found:
        (way,) = (way for way in truth if f" {way}" in example.question)
        first = min(("cat", "dog"), key=example.question.index)
        assert example.answer == ("yes" if truth[way] == first else "no"), example
        answers[example.image].add(example.answer)
    assert all(both == {"yes", "no"} for both in answers.values())


def test_held_out_kinds_and_wordings_are_not_trained(examples: list[Example]) -> None:
    asked = {example.question for example in examples}
    for kind in KINDS:
        untrained = (*PRESENCE, *COUNT) if kind in HELD_OUT_KINDS else HELD_OUT_WORDINGS
        assert not asked & {fill(wording, kind) for wording in untrained}


def test_measured_presence_asks_every_wording_alike(photos: dict[str, Objects]) -> None:
    count: dict[str, Counter] = defaultdict(Counter)
    for example in measure_presence(photos):
        count[example.question_type][example.answer] += 1
    assert set(count) == {*MEASURED, *HELD_OUT_WORDINGS} and len(count) == 10
    (same,) = {(answers["yes"], answers["no"]) for answers in count.values()}
    assert same[0] == same[1] > 200


def test_a_seed_repeats_itself(photos: dict[str, Objects], examples: list[Example]) -> None:
    assert box_questions(photos, per_photo=3, seed=5) == examples
    assert box_questions(photos, per_photo=3, seed=6) != examples


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [("", [], "too few objects"), ('{"image": "a"}\n', [], "no 'objects'"), ("", ["--per-photo=0"], "at least 1")],
)
def test_bad_input_is_one_sentence(tmp_path: Path, content: str, options: list[str], message: str) -> None:
    boxes, output = tmp_path / "boxes.jsonl", tmp_path / "out.jsonl"
    boxes.write_text(content)
    assert message in refused(main, "--boxes", boxes, "--output", output, *options)
    assert not output.exists()
