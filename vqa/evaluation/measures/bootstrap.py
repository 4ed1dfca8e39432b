"""How sure a figure is: the bootstrap over photos."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

DRAWS = 2000
LEVEL = 95  # percent of the draws that lie inside an interval
CHUNK = 100  # draws at once, so that memory does not grow with the data


def resampled_means(
    scores: Mapping[str, np.ndarray], photos: Sequence[Hashable], seed: int = 0, draws: int = DRAWS
) -> dict[str, np.ndarray]:
    """Means of the scores over photos that are drawn again with replacement (Efron 1979): `(draws,)` a name.

    scores: `(n,)` a name, one a question; NaN where a question has none. photos: each question's photo. Questions about
    one photo stand or fall together, so photos are drawn, not questions; all names see the same draws, so that their
    differences are paired. Draws without any scored question are NaN.
    """
    _, index = np.unique(np.array([str(photo) for photo in photos]), return_inverse=True)
    count = int(index.max()) + 1
    sums = {name: np.bincount(index, np.nan_to_num(values), count) for name, values in scores.items()}
    numbers = {name: np.bincount(index, ~np.isnan(values), count) for name, values in scores.items()}
    generator = np.random.default_rng(seed)
    means: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    for start in range(0, draws, CHUNK):
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=min(CHUNK, draws - start))
        for name in scores:
            total = drawn @ numbers[name]
            with np.errstate(invalid="ignore", divide="ignore"):
                means[name].append(np.where(total > 0, drawn @ sums[name] / total, np.nan))
    return {name: np.concatenate(parts) for name, parts in means.items()}


def interval(means: np.ndarray) -> list[float] | None:
    """The middle 95% of the draws, in percent, two digits; None if there are none."""
    known = means[~np.isnan(means)]
    if not known.size:
        return None
    edge = (100 - LEVEL) / 2
    return [round(100 * float(x), 2) for x in np.percentile(known, (edge, 100 - edge))]
