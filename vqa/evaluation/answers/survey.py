"""A first look through all of the data, so that what is wrong with it is told before any work is done."""

import os
from array import array
from dataclasses import dataclass

import numpy as np

from vqa.data.examples import reference
from vqa.evaluation.answers.answering import Job
from vqa.evaluation.answers.predictions import name
from vqa.evaluation.answers.scores import OFFICIAL
from vqa.model.errors import InputError


@dataclass(frozen=True)
class Survey:
    """n: questions; answered: those with a known answer; official: those with ten answers; few: those with 2 to 9."""

    n: int
    answered: int
    official: int
    few: int

    def remarks(self, metric: str) -> list[str]:
        """What the user should know of the data."""
        told = []
        if not self.answered:
            told.append("The data holds no answers, so nothing is scored: there are predictions only.")
        elif self.answered < self.n:
            count = self.n - self.answered
            told.append(f"{count:,} of {self.n:,} questions have no answer to compare with: answered, but not scored.")
        if self.few:
            told.append(
                f"{self.few:,} questions have fewer than ten answers, so the official accuracy leaves them out."
            )
        elif metric == "official" and self.official < self.answered:
            count = self.answered - self.official
            told.append(f"{count:,} questions do not have ten answers, so the official accuracy leaves them out.")
        return told


def survey(job: Job, without_photos: bool = False) -> Survey:
    """Read every question once.

    Raises `InputError` for what its reader refuses, for data without any question, for a question_id that stands there
    twice, and if none of the photos is there (unless they are not needed).
    """
    identities = array("q")
    n = answered = official = few = 0
    photo = without_photos
    for index, example in enumerate(job.examples()):
        n += 1
        identities.append(hash(name(index, example)))
        answered += bool(reference(example))
        official += len(example.answers) >= OFFICIAL
        few += 1 < len(example.answers) < OFFICIAL
        photo = photo or os.path.isfile(example.image)
    if not n:
        raise InputError(f"{job.data} holds no example: give a file with at least one question.")
    if not photo:
        place = job.images or "its place"
        raise InputError(f"None of the photos of {job.data} is in {place}; name their folder with --images.")
    values, count = np.unique(np.frombuffer(identities, np.int64), return_counts=True)
    if len(values) < n:
        repeated = set(values[count > 1].tolist())
        ids = (name(index, example) for index, example in enumerate(job.examples()))
        first = next(identity for identity in ids if hash(identity) in repeated)
        raise InputError(
            f"{job.data} repeats the question_id of {n - len(values):,} of its {n:,} questions (such as {first}): "
            "give each question one of its own, or none."
        )
    return Survey(n, answered, official, few)
