"""Photo swap: how many answers survive when the question is asked about another photo?"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqa.data.metric import normalize_answer
from vqa.evaluation.measures.statistics import interval, percent, resampled_means


@dataclass(frozen=True)
class PhotoSwap:
    """A model that uses the photo should fall; one that guesses from the question should not.

    records: of an evaluation with swapped photos.
    """

    records: Iterable[Mapping[str, Any]]

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Exact match about other photos, the `drop` in points, and its 95% `interval` by a paired bootstrap over
        photos. Yields nothing if no question was asked about another photo, as with a single one."""
        own, other, photo = array("b"), array("b"), array("q")
        photos: dict[str, int] = {}
        for record in self.records:
            if record["exact"] is not None and record["swapped"] is not None:
                own.append(record["exact"]["model"])
                other.append(normalize_answer(record["swapped"]) == record["reference"])
                photo.append(photos.setdefault(record["photo"], len(photos)))
        if own:
            scores = {"own": np.array(own, dtype=float), "other": np.array(other, dtype=float)}
            means = resampled_means(scores, photo.tolist())
            figures = {
                "exact": percent(scores["other"]),
                "drop": round(100 * float(scores["own"].mean() - scores["other"].mean()), 2),
                "interval": interval(means["own"] - means["other"]),
            }
            yield "grounding/photo_swap", figures
