import numpy as np
import pytest

from vqa.evaluation.measures.bootstrap import interval, resampled_means


def test_it_is_what_drawing_photos_one_by_one_gives():
    """The same distribution as a plain loop that draws photos and averages their questions."""
    generator = np.random.default_rng(1)
    photos = generator.integers(0, 40, 300)
    scores = (generator.random(300) < 0.3 + 0.01 * photos).astype(float)
    found = resampled_means({"a": scores}, photos.tolist(), draws=4000)["a"]
    names = np.unique(photos)
    by_photo = {name: scores[photos == name] for name in names}
    slow = [np.concatenate([by_photo[n] for n in generator.choice(names, len(names))]).mean() for _ in range(4000)]
    assert found.mean() == pytest.approx(np.mean(slow), abs=0.003)
    assert found.std() == pytest.approx(np.std(slow), rel=0.08)
    assert interval(found) == pytest.approx([100 * x for x in np.percentile(slow, (2.5, 97.5))], abs=1.0)


def test_with_one_question_a_photo_it_is_the_binomial():
    scores = np.repeat([0.0, 1.0], 200)
    found = resampled_means({"a": scores}, range(400), draws=4000)["a"]
    assert found.std() == pytest.approx(0.5 / np.sqrt(400), rel=0.05)


def test_questions_of_one_photo_stand_together():
    """Ten equal questions about each photo tell no more than one."""
    scores = np.repeat([0.0, 1.0], 50)
    one = resampled_means({"a": scores}, range(100))["a"].std()
    ten = resampled_means({"a": np.repeat(scores, 10)}, np.repeat(np.arange(100), 10).tolist())["a"].std()
    assert ten == pytest.approx(one, rel=0.1)


def test_names_see_the_same_draws_and_a_seed_repeats_them():
    generator = np.random.default_rng(0)
    scores = generator.random(50)
    found = resampled_means({"a": scores, "b": scores + 1}, range(50), seed=3)
    np.testing.assert_allclose(found["b"] - found["a"], 1)
    again = resampled_means({"a": scores}, range(50), seed=3)["a"]
    np.testing.assert_array_equal(found["a"], again)
    assert (resampled_means({"a": scores}, range(50), seed=4)["a"] != again).any()


def test_questions_without_a_score_are_left_out():
    scores = np.array([1.0, np.nan, 1.0, np.nan])
    found = resampled_means({"a": scores, "none": np.full(4, np.nan)}, ["p", "p", "q", "r"])
    assert set(found["a"][~np.isnan(found["a"])]) == {1.0}
    assert interval(found["none"]) is None
