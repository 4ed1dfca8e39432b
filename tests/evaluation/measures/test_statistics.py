"""The bootstrap over photos, against a plain loop; the temperature that calibrates, and the measures of calibration."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vqa.evaluation.measures.statistics import (
    expected_calibration_error,
    fit_temperature,
    interval,
    lowest_sure,
    reliability,
    resampled_means,
    selective,
    stated_as_sure,
)


def test_means_are_distributed_as_those_of_a_plain_loop() -> None:
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


def test_names_share_the_draws_and_a_seed_repeats_them() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random(50)
    found = resampled_means({"a": scores, "b": scores + 1}, range(50), seed=3)
    np.testing.assert_allclose(found["b"] - found["a"], 1)
    again = resampled_means({"a": scores}, range(50), seed=3)["a"]
    np.testing.assert_array_equal(found["a"], again)
    assert (resampled_means({"a": scores}, range(50), seed=4)["a"] != again).any()


def test_questions_without_a_score_are_left_out() -> None:
    scores = np.array([1.0, np.nan, 1.0, np.nan])
    found = resampled_means({"a": scores, "none": np.full(4, np.nan)}, ["p", "p", "q", "r"])
    assert set(found["a"][~np.isnan(found["a"])]) == {1.0}
    assert interval(found["none"]) is None


pairs = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.3, 0.6, 0.9, 1.0])), min_size=1, max_size=50)


def drawn(temperature: float, questions: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of which softmax(logits / temperature) is true: the right answer is drawn from it."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(questions, 5, generator=generator)
    answers = (logits / temperature).softmax(-1).multinomial(1, generator=generator)
    return logits, torch.zeros_like(logits).scatter_(1, answers, 1.0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_recovered(temperature: float) -> None:
    logits, right = drawn(temperature)
    assert fit_temperature(logits, right, adaptive=False) == (pytest.approx(temperature, rel=0.05), 0.0)
    assert fit_temperature(logits, right) == pytest.approx((temperature, 0.0), rel=0.15, abs=0.4)


def test_a_temperature_that_depends_on_the_confidence_is_recovered() -> None:
    """Of many answers the surest are overconfident, the others underconfident."""
    logits, right = drawn(1.0)
    p = logits.softmax(-1).amax(1)
    logits = logits * (1.2 * torch.exp(0.8 * (p - 0.5)))[:, None]
    t, slope = fit_temperature(logits, right)
    scaled = logits.softmax(-1).amax(1)
    calibrated = (logits / (t * torch.exp(slope * (scaled - 0.5)))[:, None]).softmax(-1).amax(1)
    assert t == pytest.approx(1.2, rel=0.1) and 0.2 < slope < 1.2
    assert (calibrated - p).abs().mean() < 0.02 < (scaled - p).abs().mean()


def test_temperature_is_the_most_likely() -> None:
    logits, right = drawn(1.7, 3000)
    correct = right.gather(1, logits.argmax(1, keepdim=True)).squeeze(1)

    def loss(temperature: float) -> float:
        p = (logits / temperature).softmax(-1).max(-1).values
        return float(torch.nn.functional.binary_cross_entropy(p, correct))

    best = min(np.arange(0.5, 4, 0.01), key=loss)
    assert loss(fit_temperature(logits, right, adaptive=False)[0]) == pytest.approx(loss(best), abs=1e-5)


def test_questions_that_no_answer_fits_lower_the_confidence() -> None:
    logits, right = drawn(1.0)
    right[::2] = 0.0
    assert fit_temperature(logits, right, adaptive=False)[0] > 1.5


def test_extremes_stay_finite() -> None:
    sure = 50 * torch.eye(4)
    assert 0 < fit_temperature(sure, torch.eye(4))[0] <= 2
    assert 5 < fit_temperature(sure, torch.zeros(4, 4))[0] < 20
    # A few answers of which the surer are right would be separated by any steep slope, which no checkpoint can hold.
    best = torch.tensor([[0.5], [0.6]])
    logits = torch.cat([best, ((1 - best) / 5).expand(-1, 5)], 1).log()
    for surer, bound in ((1, -10.0), (0, 10.0)):
        right = torch.zeros(2, 6)
        right[surer, 0] = 1.0
        assert fit_temperature(logits, right)[1] == bound


def naive(confidence: list[float], right: list[float], bins: int) -> float:
    """Guo et al. 2017, eq. 3, as a loop over the bins."""
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [i for i, c in enumerate(confidence) if low <= c and (c < high or number == bins - 1)]
        if inside:
            accuracy, mean = (sum(values[i] for i in inside) / len(inside) for values in (right, confidence))
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


@given(pairs=st.just([]) | pairs, bins=st.sampled_from([1, 4, 8]))
def test_ece_is_the_naive_loop(pairs: list[tuple[float, float]], bins: int) -> None:
    confidence, right = ([pair[i] for pair in pairs] for i in (0, 1))
    found = expected_calibration_error(np.array(confidence), np.array(right), bins)
    assert found == pytest.approx(naive(confidence, right, bins), abs=1e-9)


@given(pairs)
def test_the_reliability_curve_adds_up_to_the_calibration_error(rows: list[tuple[float, float]]) -> None:
    confidence, right = (np.array(column) for column in zip(*rows, strict=True))
    curve = reliability(confidence, right)
    assert sum(point["n"] for point in curve) == len(rows)
    gaps = sum(point["n"] * abs(point["confidence"] - point["accuracy"]) for point in curve) / len(rows)
    assert gaps / 100 == pytest.approx(expected_calibration_error(confidence, right), abs=2e-4)


def test_selective_accuracy() -> None:
    confidence, right = np.array([0.1, 0.9, 0.5, 0.7]), np.array([0.0, 1.0, 0.0, 0.9])
    assert selective(confidence, right) == [
        {"coverage": 25, "accuracy": 100.0, "threshold": 90.0},
        {"coverage": 50, "accuracy": 95.0, "threshold": 70.0},
        {"coverage": 75, "accuracy": 63.33, "threshold": 50.0},
        {"coverage": 100, "accuracy": 47.5, "threshold": 10.0},
    ]
    assert selective(confidence[:1], right[:1])[0]["accuracy"] == 0.0


def lowest(confidence: list[float], right: list[float], share: float, fewest: int) -> float:
    """By trying every threshold."""
    for least in sorted(set(confidence)):
        scores = [r for c, r in zip(confidence, right, strict=True) if c >= least]
        mean = sum(scores) / len(scores)
        if len(scores) >= fewest and mean - (mean * (1 - mean) / len(scores)) ** 0.5 >= share:
            return least
    return 1.0


@given(pairs=st.lists(st.tuples(st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9]), st.sampled_from([0.0, 0.5, 1.0]))))
def test_the_threshold_is_the_lowest_that_is_right_often_enough(pairs: list[tuple[float, float]]) -> None:
    confidence, right = [c for c, _ in pairs], [r for _, r in pairs]
    found = lowest_sure(np.array(confidence), np.array(right), 0.6, 3)
    assert found == lowest(confidence, right, 0.6, 3)


def test_a_threshold_holds_on_other_questions_and_a_handful_chooses_none() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.random((50, 1000))
    right = (generator.random((50, 1000)) < confidence).astype(float)  # calibrated: above 0.5 it is right in 0.75
    least = [lowest_sure(*one) for one in zip(confidence, right, strict=True)]
    assert 0.4 < min(least) < max(least) < 0.7
    assert 0.75 < np.mean([(1 + one) / 2 for one in least]) < 0.77  # on any other questions
    assert lowest_sure(confidence[0, :49], np.ones(49)) == lowest_sure(np.array([]), np.array([])) == 1.0
    assert lowest_sure(confidence[0, :50], np.ones(50)) == confidence[0, :50].min()


def test_nothing_is_known_about_kinds_of_which_none_is_stated_as_sure() -> None:
    found = stated_as_sure(np.array(["yes/no", "other"]), np.array([1.0, 0.0]), np.array([0.9, 1.0]))
    sure, unsure = {"n": 1, "sure": 1, "right": 90.0}, {"n": 1, "sure": 0, "right": None}
    assert found == {"all": {"n": 2, "sure": 1, "right": 90.0}, "yes/no": sure, "other": unsure}
