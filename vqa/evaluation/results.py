"""Scoring a model on a data set: the figures, and what they have to be held against."""

import platform
import shlex
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from vqa.data.metric import normalize_answer
from vqa.evaluation.answers.scores import Record, length
from vqa.evaluation.measures.bootstrap import interval, resampled_means
from vqa.evaluation.measures.calibration import expected_calibration_error, reliability, selective
from vqa.model.errors import InputError
from vqa.predict import VQA

SCHEMA_VERSION = 1
METRICS = ("exact", "official", "wups_0.9", "wups_0.0")
GROUPS = {
    "by_answer_type": lambda record: record["answer_type"],
    "by_source": lambda record: record["source"],
    "by_question_type": lambda record: record["question_type"],
    "by_question_length": lambda record: length(record["question"]),
    "by_answer_rank": lambda record: record["rank"],
}
BASELINES = ("majority", "question_only", "image_only", "upper_bound")


class Scores:
    """The records as columns of numbers: some 100 bytes a question, whatever stands in it.

    of: by metric and guess `(n,)` in 0-1, NaN where a question has no such score. confidence, swapped: `(n,)`, NaN if
    not known. photo: `(n,)` numbers of photos. group: by table, a number a question, and the names of these numbers.
    """

    def __init__(self, records: Iterable[Record]):
        kept: dict[tuple[str, str], array[float]] = {}
        confidence, swapped, photo = array("f"), array("f"), array("q")
        photos: dict[str, int] = {}
        names: dict[str, dict[str, int]] = {table: {} for table in GROUPS}
        numbers = {table: array("i") for table in GROUPS}
        self.n = self.unscored = 0
        for record in records:
            if record["exact"] is None:
                self.unscored += 1
                continue
            for metric in METRICS:
                for guess, score in (record.get(metric) or {}).items():
                    column = kept.setdefault((metric, guess), array("f"))
                    column.extend([np.nan] * (self.n - len(column)))
                    column.append(score)
            known, other = record["confidence"], record["swapped"]
            confidence.append(np.nan if known is None else known)
            swapped.append(np.nan if other is None else normalize_answer(other) == record["reference"])
            photo.append(photos.setdefault(record["photo"], len(photos)))
            for table, group_of in GROUPS.items():
                group = group_of(record)
                numbers[table].append(-1 if group is None else names[table].setdefault(group, len(names[table])))
            self.n += 1
        for column in kept.values():
            column.extend([np.nan] * (self.n - len(column)))
        self.of: dict[str, dict[str, np.ndarray]] = {metric: {} for metric in METRICS}
        for (metric, guess), column in kept.items():
            self.of[metric][guess] = np.array(column, dtype=float)
        self.confidence, self.swapped = np.array(confidence, dtype=float), np.array(swapped, dtype=float)
        self.photo = np.array(photo)
        self.group = {table: (np.array(numbers[table]), list(names[table])) for table in GROUPS}
        self._question_only()

    def _question_only(self) -> None:
        """The better of the blind head and the question-prefix prior, by exact match over all questions."""
        exact = self.of["exact"]
        if "question_prefix" in exact and "blind_head" in exact:
            better = max(("blind_head", "question_prefix"), key=lambda guess: exact[guess].mean())
            for columns in self.of.values():
                if better in columns:
                    columns["question_only"] = columns[better]

    def row(self, chosen: np.ndarray) -> dict[str, Any]:
        """Figures of some of the questions."""
        figures: dict[str, Any] = {"n": int(chosen.sum())}
        figures |= {guess: percent(column[chosen]) for guess, column in self.of["exact"].items()}
        for metric in METRICS[1:]:
            columns = self.of[metric]
            if columns and (there := chosen & ~np.isnan(columns["model"])).any():
                figures[metric] = {"n": int(there.sum())} | {g: percent(c[there]) for g, c in columns.items()}
        return figures


def results(
    vqa: VQA | None,
    records: Iterable[Record],
    data: dict[str, Any],
    seed: int | None = None,
    skipped: Mapping[str, int] | None = None,
    metric: str = "exact",
    name: str | None = None,
) -> dict[str, Any]:
    """The content of `results.json`; its schema is `vqa/schemas/results.json`. Figures are in percent.

    vqa: None for the predictions of others, called `name`. records: see `vqa.evaluation.answers.scores`; those without
    a known answer count as skipped. metric: the one that calibration uses (for exact: the official one where given).
    baselines: `majority` always gives the most common training answer, `type_prior` that of the answer's type;
    `question_only` is the better of the blind head and the question-prefix prior; `image_only` is that head;
    `upper_bound` is what the answer vocabulary allows.

    Raises `InputError` if no record has a score by this metric.
    """
    scores = Scores(records)
    columns = scores.of["wups_0.9" if metric == "wups" else metric]
    if not scores.n or "model" not in columns:
        need = "ten human answers" if metric == "official" else "an answer to compare with"
        raise InputError(f"No question of {', '.join(data['files'])} could be scored: none has {need}.")
    exact, official = scores.of["exact"]["model"], scores.of["official"].get("model", np.full(scores.n, np.nan))
    tables = {
        table: {
            group: scores.row(numbers == number) for number, group in sorted(enumerate(names), key=lambda pair: pair[1])
        }
        for table, (numbers, names) in scores.group.items()
    }
    overall = scores.row(np.ones(scores.n, bool))
    right = np.where(np.isnan(official), exact, official) if metric == "exact" else columns["model"]
    counted = Counter(skipped or {})
    counted += Counter({"answer": scores.unscored})
    shares = {t: {group: row["model"] for group, row in tables[t].items()} for t in ("by_answer_type", "by_source")}
    return {
        "schema_version": SCHEMA_VERSION,
        "model": vqa.name if vqa is not None and name is None else name,
        "weights": None if vqa is None else vqa.weights_hash(),
        "data": data,
        "n": scores.n,
        "skipped": dict(counted),
        "metric": metric,
        "metrics": {
            "exact": overall["model"],
            "official": overall.get("official", {}).get("model"),
            "n_official": overall.get("official", {}).get("n", 0),
            **{wups: overall[wups]["model"] for wups in METRICS[2:] if wups in overall},
            **shares,
        },
        "baselines": {guess: overall.get(guess) for guess in BASELINES},
        "intervals": intervals(scores, metric),
        **swap_figures(scores),
        "tables": {"overall": overall, **tables},
        **calibration(scores.confidence, right),
        "environment": environment(vqa),
        "seed": seed,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),  # no path of this machine
    }


def intervals(scores: Scores, metric: str) -> dict[str, Any]:
    """95% bootstrap intervals over photos: of the model's figures, and of how far it stands above its blind floor."""
    columns = {name: scores.of[name]["model"] for name in METRICS if "model" in scores.of[name]}
    if (floor := scores.of["exact"].get("question_only")) is not None:
        columns["question_only"] = floor
    means = resampled_means(columns, scores.photo.tolist())
    found = {"official": None} | {name: interval(means[name]) for name in columns if name != "question_only"}
    if "question_only" in means:
        found["above_question_only"] = interval(means["exact"] - means["question_only"])
    return found


def swap_figures(scores: Scores) -> dict[str, Any]:
    """Exact match when each question is asked about another photo, and how far that is below; {} if it was not done."""
    done = ~np.isnan(scores.swapped)
    if not done.any():
        return {}
    own, other = scores.of["exact"]["model"][done], scores.swapped[done]
    means = resampled_means({"own": own, "other": other}, scores.photo[done].tolist())
    figures = {"exact": percent(other), "drop": round(100 * float(own.mean() - other.mean()), 2)}
    return {"grounding": {"photo_swap": figures | {"interval": interval(means["own"] - means["other"])}}}


def calibration(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Whether the confidence means what it says; {} where there is none."""
    known = ~np.isnan(confidence) & ~np.isnan(right)
    if not known.any():
        return {}
    sure, right = confidence[known], right[known]
    return {
        "calibration": {
            "ece": round(100 * expected_calibration_error(sure, right), 2),
            "mean_confidence": percent(sure),
            "reliability": reliability(sure, right),
            "selective": selective(sure, right),
        }
    }


def percent(scores: np.ndarray) -> float:
    """The mean of scores in 0-1, in percent, rounded to two digits."""
    return round(100 * float(scores.mean()), 2) if scores.size else 0.0


def environment(vqa: VQA | None) -> dict[str, Any]:
    """What the figures were made with."""
    import vqa as package

    return {
        "glimpse": package.__version__,
        "revision": revision(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "onnxruntime")},
        "machine": platform.machine(),
        "runtime": None if vqa is None else vqa.runtime,
        "device": None if vqa is None else str(vqa.device),
        "precision": None if vqa is None else str(vqa.dtype).removeprefix("torch."),
    }


def version(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def revision() -> str | None:
    """The commit of the code, with '+changes' if files differ from it; None where it does not lie in its repository."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:  # an installed package may lie inside somebody else's repository, which does not track it
        run = partial(subprocess.run, capture_output=True, text=True, timeout=10, check=True)
        run([*git, "ls-files", "--error-unmatch", here.name])
        told = run([*git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"])
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None
