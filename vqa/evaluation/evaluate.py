"""Scoring a model on a data set: the figures, and what they have to be held against."""

import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vqa.data.examples import Example, reference
from vqa.errors import InputError
from vqa.evaluation.bootstrap import interval, resampled_means
from vqa.evaluation.calibration import expected_calibration_error, reliability, selective
from vqa.evaluation.metric import normalize_answer, vqa_accuracy
from vqa.evaluation.predictions import Predictions
from vqa.evaluation.priors import Priors
from vqa.files import write_json
from vqa.predict import VQA

SCHEMA_VERSION = 1
SCORES = "scores.json"  # each question's score, beside results.json
OFFICIAL = 10  # the official accuracy is defined for ten human answers


def results(vqa: VQA, done: Predictions, data: dict[str, Any], seed: int | None = None) -> dict[str, Any]:
    """The content of `results.json`; its schema is `vqa/schemas/results.json`. Figures are in percent.

    exact: prediction and answer both normalised, then equal. official: where ten answers are given.
    baselines: `majority` always gives the most common training answer; `question_only` is the better of the blind head
    and the question-prefix prior; `image_only` is that head; `upper_bound` is what the answer vocabulary allows.
    """
    priors = read_priors(vqa)
    columns = guesses(priors, done)
    exact = {
        name: np.array([a == reference(e) for a, e in zip(c, done.examples, strict=True)])
        for name, c in columns.items()
    }
    known = set(vqa.answers)
    places: dict[str | None, int] = {answer: place for place, answer in enumerate(vqa.answers)}
    exact["upper_bound"] = np.array([reference(e) in known for e in done.examples])
    judged = np.array([len(e.answers) >= OFFICIAL for e in done.examples])
    official = {name: official_scores(column, done.examples) for name, column in columns.items()}
    official["upper_bound"] = np.array([best_official(e, known) for e in done.examples])
    if priors is not None:
        better = max(("blind_head", "question_prefix"), key=lambda name: exact[name].mean())
        for scores in (exact, official):
            scores["question_only"] = scores[better]

    def row(chosen: np.ndarray) -> dict[str, Any]:
        """Figures of some of the questions."""
        figures: dict[str, Any] = {"n": int(chosen.sum())}
        figures |= {name: percent(scores[chosen]) for name, scores in exact.items()}
        ten = chosen & judged
        if ten.any():
            figures["official"] = {"n": int(ten.sum())} | {name: percent(s[ten]) for name, s in official.items()}
        return figures

    groups = {
        "by_answer_type": np.array([e.answer_type or "unknown" for e in done.examples]),
        "by_source": np.array([e.source or "unknown" for e in done.examples]),
        "by_question_type": np.array([e.question_type or "unknown" for e in done.examples]),
        "by_question_length": np.array([length(e.question) for e in done.examples]),
        "by_answer_rank": np.array([rank(reference(e), places) for e in done.examples]),
    }
    tables = {name: {str(k): row(kind == k) for k in np.unique(kind)} for name, kind in groups.items()}
    overall = row(np.ones(len(done.examples), bool))
    right = np.where(judged, official["model"], exact["model"])
    sure = np.array(done.confidence)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": vqa.name,
        "weights": vqa.weights_hash(),
        "data": data,
        "n": overall["n"],
        "skipped": dict(done.skipped),
        "metrics": {
            "exact": overall["model"],
            "official": overall.get("official", {}).get("model"),
            "n_official": int(judged.sum()),
            **{
                name: {kind: figures["model"] for kind, figures in tables[name].items()}
                for name in ("by_answer_type", "by_source")
            },
        },
        "baselines": {name: overall.get(name) for name in ("majority", "question_only", "image_only", "upper_bound")},
        "intervals": intervals(exact, np.where(judged, official["model"], np.nan), done),
        **swap_figures(done, exact["model"]),
        "tables": {"overall": overall, **tables},
        "calibration": {
            "ece": round(100 * expected_calibration_error(sure, right), 2),
            "mean_confidence": percent(sure),
            "reliability": reliability(sure, right),
            "selective": selective(sure, right),
        },
        "environment": environment(vqa),
        "seed": seed,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),  # no path of this machine
    }


def intervals(exact: dict[str, np.ndarray], official: np.ndarray, done: Predictions) -> dict[str, Any]:
    """95% bootstrap intervals over photos: of the model's figures, and of how far it stands above its blind floor."""
    photos = [example.image for example in done.examples]
    scores = {name: exact[name].astype(float) for name in ("model", "question_only") if name in exact}
    means = resampled_means(scores | {"official": official}, photos)
    found = {"exact": interval(means["model"]), "official": interval(means["official"])}
    if "question_only" in means:
        found["above_question_only"] = interval(means["model"] - means["question_only"])
    return found


def swap_figures(done: Predictions, exact: np.ndarray) -> dict[str, Any]:
    """Exact match when each question is asked about another photo, and how far that is below; {} if it was not done."""
    if not done.swapped:
        return {}
    pairs = zip(done.swapped, done.examples, strict=True)
    there = np.array([normalize_answer(answer) == reference(example) for answer, example in pairs])
    means = resampled_means(
        {"own": exact.astype(float), "other": there.astype(float)}, [e.image for e in done.examples]
    )
    drop = 100 * float(exact.mean() - there.mean())
    figures = {"exact": percent(there), "drop": round(drop, 2), "interval": interval(means["own"] - means["other"])}
    return {"grounding": {"photo_swap": figures}}


def length(question: str) -> str:
    """A question's length in words, in four classes."""
    words = len(question.split())
    return next(
        (name for most, name in ((4, "1-4 words"), (6, "5-6 words"), (9, "7-9 words")) if words <= most), "10+ words"
    )


def rank(answer: str | None, places: Mapping[str | None, int]) -> str:
    """How common an answer was in training, by its place in the model's list, which has the common ones first."""
    place = places.get(answer)
    if place is None:
        return "not in the list"
    return next((name for end, name in ((10, "1-10"), (100, "11-100"), (1000, "101-1000")) if place < end), "1001+")


def read_priors(vqa: VQA) -> Priors | None:
    """The priors that `train.fit` left in the checkpoint, if it did."""
    content = vqa.extra("priors.json")
    return None if content is None else Priors(**content)


def guesses(priors: Priors | None, done: Predictions) -> dict[str, Sequence[str]]:
    """The answers of the model and of each baseline, normalised."""
    columns: dict[str, Sequence[str]] = {
        "model": [normalize_answer(answer) for answer in done.answer],
        "blind_head": done.blind,
        "image_only": done.image_only,
    }
    if priors is not None:
        columns["majority"] = [priors.majority] * len(done.examples)
        columns["question_prefix"] = [priors.question_only(e.question) for e in done.examples]
    return columns


def official_scores(answers: Sequence[str], examples: Sequence[Example]) -> np.ndarray:
    """Official accuracy in 0-1, 0 where there are no ten answers."""
    pairs = zip(answers, examples, strict=True)
    return np.array([vqa_accuracy(a, e.answers) / 100 if len(e.answers) >= OFFICIAL else 0.0 for a, e in pairs])


def best_official(example: Example, known: set[str]) -> float:
    """The best official accuracy, in 0-1, that an answer among `known` can have."""
    if len(example.answers) < OFFICIAL:
        return 0.0
    possible = {normalize_answer(answer) for answer in example.answers} & known
    return max((vqa_accuracy(answer, example.answers) / 100 for answer in possible), default=0.0)


def percent(scores: np.ndarray) -> float:
    """The mean of scores in 0-1, in percent, rounded to two digits."""
    return round(100 * float(scores.mean()), 2) if scores.size else 0.0


def environment(vqa: VQA) -> dict[str, str]:
    """What the figures were made with."""
    import torch
    import transformers

    import vqa as package

    return {
        "glimpse": package.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": platform.machine(),
        "device": str(vqa.device),
        "precision": str(vqa.dtype).removeprefix("torch."),
    }


def per_question(done: Predictions) -> list[dict[str, Any]]:
    """Each question's score in 0-1, for comparisons: exact, and official where there are ten answers."""
    official = official_scores([normalize_answer(answer) for answer in done.answer], done.examples)
    return [
        {
            "photo": Path(example.image).name,
            "question_id": i if example.question_id is None else example.question_id,
            "answer_type": example.answer_type,
            "source": example.source,
            "exact": int(normalize_answer(answer) == reference(example)),
            "official": round(float(score), 4) if len(example.answers) >= OFFICIAL else None,
        }
        for i, (example, answer, score) in enumerate(zip(done.examples, done.answer, official, strict=True))
    ]


def check_output(folder: Path) -> None:
    """Raise `InputError` if nothing can be written to `folder`, which need not exist yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))
    if not (os.path.isdir(there) and os.access(there, os.W_OK)):
        raise InputError(f"Nothing can be written to {folder}, as {there} is no folder of yours; choose another.")


def write(folder: Path, done: Predictions, content: dict[str, Any]) -> None:
    """Write `results.json`, `predictions.json` (the challenge's format) and `scores.json`, each whole or not at all.

    Raises `InputError` if the folder cannot be written.
    """
    predictions = [
        {"question_id": i if e.question_id is None else e.question_id, "answer": answer}
        for i, (e, answer) in enumerate(zip(done.examples, done.answer, strict=True))
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scores = per_question(done)
        for name, value in (("predictions.json", predictions), (SCORES, scores), ("results.json", content)):
            write_json(folder / name, value)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; choose another folder.") from error
