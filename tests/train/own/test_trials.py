"""What is learned within a budget of time, on which photos."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from train.extract_features import extract
from train.own.conclude import joint_model
from train.own.learning import RECALLED, Material, Recall, Recipe, fit, predict
from train.own.members import Member, continued, fresh
from train.own.pool import right
from train.own.trials import COPIES, CURVE, FOLDS, FRESH, RESERVE, START, Trials
from train.own_data import enlarged, read_checked
from vqa.checkpoint.load import load_checkpoint
from vqa.data.features import FeatureStore, stored_name
from vqa.model.errors import InputError


@pytest.fixture(scope="module")
def material(world: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Material:
    images, store = str(world / "photos"), tmp_path_factory.mktemp("own") / "store"
    checked = read_checked(str(world / "questions.jsonl"), images, Console(quiet=True))
    start, processor = load_checkpoint(tiny_checkpoint)
    net, processor = enlarged(start, processor, checked)
    photos = {stored_name(photo, [images]): Path(photo) for photo in checked.photos}
    extract(photos, store, net.image_encoder, net.config.backbone, processor.image_processor)
    known = len(start.config.answers)
    return Material(net, processor, known, checked.examples, images, FeatureStore.open(store))


def trials(folder: Path, material: Material, minutes: float) -> Trials:
    return Trials(folder, material, 1, minutes, 0.0, epochs=1, keep=False, console=Console(quiet=True))


@pytest.fixture
def found(tmp_path: Path, material: Material) -> Trials:
    """Both members, measured once."""
    found, recipe = trials(tmp_path, material, 60), Recipe(0.03, 1)
    found.keep = True
    found.measured = {0: {name: found.trial(0, name, recipe, most=60) for name in (START, FRESH)}}
    return found


def test_no_photo_is_in_a_fold_and_outside(tmp_path: Path, material: Material) -> None:
    found = trials(tmp_path, material, 1)
    for fold in range(FOLDS):
        held, rest = found.held(fold), found.rest(fold)
        assert not {*material.photo[held]} & {*material.photo[rest]} and len(held) + len(rest) == len(material)
        assert 0.15 < len(held) / len(material) < 0.25
    assert {*found.rest(0, 0.5)} < {*found.rest(0)}
    assert sorted(np.concatenate([found.held(fold) for fold in range(FOLDS)])) == list(range(len(material)))


def test_time_limits_what_is_measured(tmp_path: Path, material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("train.own.learning.time.perf_counter", lambda: next(clock) / 20)
    short = trials(tmp_path / "short", material, 1)
    short.spent = 60 * (1 - RESERVE) - 1.5
    short.measure()
    assert list(short.measured) == [0] and not short.curve
    pool = short.choose()[1]
    pool.answer = [1.0, 1.0]
    assert [name for name, _ in short.finals(pool, refit=True)] == [START, FRESH]
    long = trials(tmp_path / "long", material, 60)
    long.measure()
    assert list(long.measured) == list(range(FOLDS)) and list(long.curve) == list(CURVE)
    assert [name for name, _ in long.finals(pool, refit=True)] == [START] + [FRESH] * COPIES
    pool.answer, pool.blind, pool.guess = [1.0, 0.0], [0.0, 0.0], [1.0, 0.0]
    assert [name for name, _ in long.finals(pool, refit=True)] == [START]
    held = long.together(long.measured)
    assert sorted(held.rows) == list(range(len(material))) and len(held.answers) == len(held.guesses) == 2
    assert held.own.any(1).all() and not held.own.all()


def test_the_advised_budget_suffices(tmp_path: Path, material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """The member that is tried last is by far the slower one. What is refused leaves no fit behind."""
    now = [0.0]

    def slow(member: Member, *given: object, **more: object) -> int:
        now[0] += 1 if member.residual else 10
        return 1

    monkeypatch.setattr("train.own.trials.fit", slow)
    monkeypatch.setattr("train.own.trials.time.perf_counter", lambda: now[0])
    folder = tmp_path / "trials"
    with pytest.raises(InputError, match="takes up to 10") as refused:
        trials(folder, material, 0.5).measure()
    assert not folder.exists()
    found = trials(folder, material, int(re.findall(r"--minutes (\d+)", str(refused.value))[0]))
    found.measure()
    assert list(found.measured[0]) == [START, FRESH]


def test_the_fine_tuned_member_goes_as_far_as_is_best(found: Trials, material: Material) -> None:
    labels = material.labels(found.held(0))

    def logits(_: object, name: str, head: str) -> torch.Tensor:
        return 9 * labels if (name, head, found.way) == (START, "answers", 0.5) else torch.zeros_like(labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(found, "logits", logits)
        held, pool = found.choose()
    assert found.way == 0.5 and right(pool.logits, held.labels) > 0.9
    fitted, start = found.measured[0][START], found.member(START, 1)
    half = found.loaded(START, 1, fitted).fusion.project_a.weight
    found.way = 1.0
    whole, before = found.loaded(START, 1, fitted).fusion.project_a.weight, start.fusion.project_a.weight
    assert not torch.equal(whole, before)
    torch.testing.assert_close(half, (whole + before) / 2)


@torch.no_grad()
def test_the_guess_without_the_question_is_that_of_the_model(found: Trials, material: Material) -> None:
    with torch.enable_grad():
        held, pool = found.choose()
    batch = material.questions.batch(held.rows)
    grid = material.grids(batch["rows"].numpy())["grid"]
    for pool.answer, used in (([1.0, 1.0], [0, 1]), ([1.0, 0.0], [0])):
        pool.blind, pool.guess, pool.only_own = [0.0, 0.0], [1.0, 0.0], False
        assert found.used(pool) == used
        joint = joint_model(found, pool, found.finals(pool, refit=False))
        expected = torch.stack([held.images[i] for i in used]).mean(0)
        images = joint.image_only_logits(grid)[batch["photo_index"]]
        torch.testing.assert_close(images, expected, atol=0.02, rtol=0.01)


def test_as_many_passes_are_made_as_there_is_time_for(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a pass takes a second. The result is that of a recipe with as many passes, but for the first pass's rate."""
    clock = itertools.count()
    monkeypatch.setattr("train.own.learning.time.perf_counter", lambda: next(clock))
    chosen, held = np.arange(0, 16), np.arange(160, 240)
    found = []
    for recipe, seconds in ((Recipe(0.03, 40), 3.5), (Recipe(0.03, 3), np.inf), (Recipe(0.03, 3), np.inf)):
        member = fresh(material.net, 0)
        assert fit(member, material, chosen, recipe, 0, seconds) == 3
        found.append(predict(member, material, held)[0])
    torch.testing.assert_close(found[1], found[2], rtol=0, atol=0)
    assert not torch.equal(found[0], predict(fresh(material.net, 0), material, held)[0])


def test_answers_follow_the_order_of_the_questions(material: Material) -> None:
    member, chosen = fresh(material.net, 0), np.array([100, 3, 57, 4, 200])
    together = predict(member, material, chosen)[0]
    one_by_one = torch.cat([predict(member, material, chosen[i : i + 1])[0] for i in range(len(chosen))])
    torch.testing.assert_close(together, one_by_one)


def test_the_start_models_answers_are_recalled(material: Material) -> None:
    """Those that are right for one of the chosen questions, with the start model's own probabilities."""
    chosen = np.arange(20, 36)
    recall, right = Recall(material, chosen), (material.labels(chosen) > 0).any(0)
    assert right[material.start_answers :].any()
    right[material.start_answers :] = False
    expected = predict(continued(material.net), material, chosen)[0].softmax(1) * right
    for _ in range(2):
        torch.testing.assert_close(recall(chosen, material.batch(chosen)[0]), expected)
    assert 0 < right.sum() <= RECALLED < len(right) and not recall.read[36:].any()


def test_a_member_that_recalls_forgets_less(material: Material) -> None:
    """Of the answers that the start model knew."""
    chosen, held = np.arange(160), np.arange(160, 240)

    def known(member: Member) -> Tensor:
        return predict(member, material, held)[0][:, : material.start_answers].softmax(1)

    start = known(continued(material.net))
    moved = []
    for weight in (0.0, 2.0):
        member = continued(material.net)
        fit(member, material, chosen, Recipe(0.01, 3, recall=weight), 0)
        moved.append((known(member) - start).abs().sum(1).mean())
    assert 0 < moved[1] < 0.8 * moved[0]
