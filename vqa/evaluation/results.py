"""The content of `results.json`: a model's figures on a data set, beside those of the baselines."""

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
from vqa.evaluation.measures.statistics import (
    expected_calibration_error,
    interval,
    percent,
    reliability,
    resampled_means,
    selective,
    stated_as_sure,
)
from vqa.model.errors import InputError
from vqa.model.text import answer_kind
from vqa.predict import VQALike

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
    """The records as columns of numbers: some 100 bytes a question, whatever its texts are.

    of: by metric and guess `(n,)` in 0-1, NaN where a question has no such score. confidence: `(n,)`, NaN if not known.
    kind: of each answer; sure: `(n,)`, 1 if it is stated as sure, NaN if not known.
    photo: `(n,)` numbers of photos. group: by table, a number a question, and the names of these numbers.
    """

    def __init__(self, records: Iterable[Record]):
        scores: dict[tuple[str, str], array[float]] = {}
        confidence, sure, photo, photos = array("f"), array("f"), array("q"), dict[str, int]()
        self.kind: list[str] = []
        names: dict[str, dict[str, int]] = {table: {} for table in GROUPS}
        numbers = {table: array("i") for table in GROUPS}
        self.n = self.unscored = 0
        self.normalized = 0.0  # how much higher the sum of the official scores is if all answers are normalised
        for record in records:
            if record["exact"] is None:
                self.unscored += 1
                continue
            for metric in METRICS:
                for guess, score in (record.get(metric) or {}).items():
                    column = scores.setdefault((metric, guess), array("f"))
                    column.extend([np.nan] * (self.n - len(column)))
                    column.append(score)
            if (normalized := record.get("official_normalized")) is not None:
                self.normalized += normalized - record["official"]["model"]
            confidence.append(np.nan if record["confidence"] is None else record["confidence"])
            sure.append(np.nan if record.get("sure") is None else record["sure"])
            self.kind.append(answer_kind(normalize_answer(record["prediction"])))
            photo.append(photos.setdefault(record["photo"], len(photos)))
            for table, group_of in GROUPS.items():
                group = group_of(record)
                numbers[table].append(-1 if group is None else names[table].setdefault(group, len(names[table])))
            self.n += 1
        self.of: dict[str, dict[str, np.ndarray]] = {metric: {} for metric in METRICS}
        for (metric, guess), column in scores.items():
            column.extend([np.nan] * (self.n - len(column)))
            self.of[metric][guess] = np.array(column, dtype=float)
        self.confidence, self.sure = np.array(confidence, dtype=float), np.array(sure, dtype=float)
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
    vqa: VQALike | None,
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
    `upper_bound` is what the answer vocabulary allows. sure: see `stated_as_sure`; right as for calibration.

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
    n_official = overall.get("official", {}).get("n", 0)
    normalized = {}
    if scores.normalized:
        normalized = {"official_normalized": round(100 * (np.nansum(official) + scores.normalized) / n_official, 2)}
    shares = {t: {group: row["model"] for group, row in tables[t].items()} for t in ("by_answer_type", "by_source")}
    return {
        "schema_version": SCHEMA_VERSION,
        "model": name if vqa is None else vqa.name,
        "weights": None if vqa is None else vqa.weights_hash(),
        "data": data,
        "n": scores.n,
        "skipped": dict(counted),
        "metric": metric,
        "metrics": {
            "exact": overall["model"],
            "official": overall.get("official", {}).get("model"),
            "n_official": n_official,
            **normalized,
            **{wups: overall[wups]["model"] for wups in METRICS[2:] if wups in overall},
            **shares,
        },
        "baselines": {guess: overall.get(guess) for guess in BASELINES},
        "intervals": intervals(scores, metric),
        "tables": {"overall": overall, **tables},
        **calibration(scores.confidence, right),
        **stated(scores, right),
        "environment": environment(vqa),
        "seed": seed,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),  # no path of this machine
    }


def intervals(scores: Scores, metric: str) -> dict[str, Any]:
    """95% bootstrap intervals over photos of the model's figures, and of the gain above the question-only baseline."""
    columns = {name: scores.of[name]["model"] for name in METRICS if "model" in scores.of[name]}
    baseline = {name: column for name, column in scores.of["exact"].items() if name == "question_only"}
    means = resampled_means(columns | baseline, scores.photo.tolist())
    intervals = {"official": None} | {name: interval(means[name]) for name in columns}
    if baseline:
        intervals["above_question_only"] = interval(means["exact"] - means["question_only"])
    return intervals


def calibration(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """How well the confidence agrees with the share of right answers; {} where there is no confidence."""
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


def stated(scores: Scores, right: np.ndarray) -> dict[str, Any]:
    """How many answers are stated as sure, and how many of these are right; {} where that is not known."""
    known = ~np.isnan(scores.sure) & ~np.isnan(right)
    if not known.any():
        return {}
    return {"sure": stated_as_sure(np.array(scores.kind)[known], scores.sure[known], right[known])}


def environment(vqa: VQALike | None) -> dict[str, Any]:
    """The versions and the machine that the figures were computed with."""
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
    """The commit of the code, with '+changes' if files differ from it; None outside the code's own repository."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:  # an installed package may lie inside somebody else's repository, which does not track it
        run = partial(subprocess.run, capture_output=True, text=True, timeout=10, check=True)
        run([*git, "ls-files", "--error-unmatch", here.name])
        described = run([*git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"])
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
