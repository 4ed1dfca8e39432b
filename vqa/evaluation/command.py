"""`vqa evaluate`: from files to figures, with progress bars, a table and a report."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from vqa.data.examples import Example
from vqa.evaluation.answers.answering import Job, answer_all
from vqa.evaluation.answers.journal import Part, Work
from vqa.evaluation.answers.outputs import check_output, write
from vqa.evaluation.answers.predictions import PHOTOS
from vqa.evaluation.answers.scores import Judge
from vqa.evaluation.answers.submitted import match
from vqa.evaluation.answers.survey import Survey, survey
from vqa.evaluation.measures.wups import wups
from vqa.evaluation.probes.deletion import deletion
from vqa.evaluation.probes.pointing import pointing_game
from vqa.evaluation.probes.robustness import robustness
from vqa.evaluation.report.report import write_report
from vqa.evaluation.results import results
from vqa.model.errors import InputError
from vqa.model.photos import content_hash
from vqa.predict import VQA
from vqa.show.tables import remarks, table

UNFINISHED = ".unfinished"
CHUNK = 1024  # predictions of others that are scored between two steps of the bar


def evaluate(
    data: str,
    annotations: str | None = None,
    images: str | None = None,
    model: str | None = None,
    output: str | None = None,
    features: str | None = None,
    predictions: str | None = None,
    metric: str = "exact",
    limit: int | None = None,
    swap_photos: bool = False,
    deletion: int = 0,
    robustness: int = 0,
    batch_size: int = PHOTOS,
    processes: int = 1,
    device: str = "auto",
    runtime: str = "auto",
    console: Console | None = None,
) -> dict[str, Any] | None:
    """Score a model (or a file of `predictions`) on a data set, print a table, and write what
    `vqa.evaluation.answers.outputs.write` lists, and report.html, to `output`.

    features: a feature store that the same image encoder made; without it every photo is read and encoded.
    metric: 'exact', 'official' or 'wups'. limit: only the first so many questions. swap_photos: ask each about another
    photo too. deletion, robustness: how many questions, drawn with a seed, to ask with damages. batch_size: photos at
    once. runtime: see `VQA.load`. A run that was killed goes on where it was, if `output` is the same.

    What cannot be answered (no photo, no words) is left out, counted and told; what has no known answer is answered
    and not scored. Returns the content of `results.json`; None where no question has a known answer.

    Raises:
        InputError: something cannot be read or written, or no question can be answered.
    """
    console = console or Console()
    plain = partial(console.print, markup=False, highlight=False, soft_wrap=True)  # file names may hold anything
    check_numbers(limit, deletion, robustness, batch_size, processes)
    if output is not None:
        check_output(Path(output))
    if metric == "wups":
        wups("cat", "dog", 0.9)  # a missing WordNet is told at once
    semantic = metric == "wups"
    job = Job(data, annotations, images, model, features, limit, swap_photos, batch_size, semantic, device, runtime)
    found = survey(job, bool(features or predictions))
    if metric == "official" and not found.official:
        raise InputError(f"No question of {data} has ten answers, as the official accuracy needs; leave --metric out.")
    with Progress(console=console, transient=True) as bar, workplace(output) as (place, finished):
        if predictions is not None:
            vqa = None
            work = Work(place, {})
            score_predictions(job, Path(predictions), work, started(bar, "questions", found.n))
        else:
            vqa = VQA.load(model, device, runtime=runtime)
            if vqa.kind and (features or deletion or robustness):
                raise InputError(f"{model} is not one of our models; leave features, deletion and robustness out.")
            work = Work(place, job.run(vqa) | {"n": found.n})
            if work.answered:
                plain(f"Going on after {work.answered:,} of {found.n:,} questions.")
            answer_all(job, vqa, work, processes, started(bar, "questions", found.n, work.answered))
        skipped, told = work.skipped()
        for reason, count in skipped.items():
            plain(f"{count:,} questions left out ({reason}), such as: {told[reason]}")
        if next(work.answered_records(), None) is None:
            finished()
            raise InputError(f"No question of {data} could be answered; the line above says why.")
        for line in found.remarks(metric):
            plain(line)
        content = None
        if found.answered:
            named = identity(job, found)
            title = None if predictions is None else Path(predictions).name
            content = results(vqa, work.answered_records(), named, None, skipped, metric, title)
            if vqa is not None:
                content |= probes(job, vqa, work, content, deletion, robustness, bar)
            console.print(table(content))
            for line in remarks(content):
                plain(line)
            if swap_photos and "photo_swap" not in content.get("grounding", {}):
                plain("There is a single photo, so photos could not be swapped.")
        if output is not None:
            folder, stem = Path(output), Path(data.removeprefix("easy-vqa:")).name.split(".")[0]
            write(folder, work.answered_records, content, stem)
            if content is not None:
                advance = started(bar, "report", content["n"])
                write_report(folder / "report.html", content, work.answered_records(), advance)
            names = sorted(path.name for path in folder.iterdir() if path.name != UNFINISHED)
            plain(f"{', '.join(names)} are in {output}")
        finished()
    return content


def check_numbers(limit: int | None, deletion: int, robustness: int, batch_size: int, processes: int) -> None:
    """Raise `InputError` for a count that is none."""
    if limit is not None and limit < 1:
        raise InputError(f"The limit is {limit} questions; give at least 1.")
    for name, count, least in (
        ("--deletion", deletion, 0),
        ("--robustness", robustness, 0),
        ("--batch-size", batch_size, 1),
        ("--processes", processes, 1),
    ):
        if count < least:
            raise InputError(f"{name} is {count}; give at least {least}.")


def started(bar: Progress, name: str, total: int, completed: int = 0) -> Callable[[int], None]:
    """A new progress bar's own `advance`."""
    return partial(bar.advance, bar.add_task(name, total=total, completed=completed))


@contextmanager
def workplace(output: str | None) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder for the unfinished answers, and a function to call when they are no longer needed.

    It stays if the run is killed or interrupted. Where the user made a mistake it goes, with an output folder that was
    made for it.
    """
    if output is None:
        with tempfile.TemporaryDirectory(prefix="vqa-evaluate-") as folder:
            yield Path(folder), lambda: None
        return
    place, new = Path(output) / UNFINISHED, not os.path.exists(output)

    def finished() -> None:
        shutil.rmtree(place, ignore_errors=True)
        if new and place.parent.is_dir() and not any(place.parent.iterdir()):
            place.parent.rmdir()

    try:
        yield place, finished
    except InputError:
        if not any(place.glob("part-*.jsonl")):  # what was answered is kept for the next try
            finished()
        raise


def score_predictions(job: Job, path: Path, work: Work, advance: Callable[[int], None]) -> None:
    """Score answers that were made elsewhere."""
    judge, answered = Judge(None, None, job.semantic), match(path, job.data, job.examples())
    part, number = Part(work, 0), 0
    whole: list[list[dict[str, Any]]] = []
    while chunk := [judge.record(a) for a in islice(answered, CHUNK)]:
        whole.append(chunk)
        advance(len(chunk))
    for number, chunk in enumerate(whole):  # only when all are known to fit
        part.append(number, chunk)


def identity(job: Job, found: Survey) -> dict[str, Any]:
    """Which data this is: the files' names and hashes, and the number of questions."""
    files = [Path(path) for path in (job.data, job.annotations) if path is not None]
    hashes = {path.name: content_hash(path) for path in files if path.is_file()}
    return {"files": [path.name for path in files[:1]], "n": found.n, "hashes": hashes}


def probes(
    job: Job, vqa: VQA, work: Work, content: dict[str, Any], deleted: int, damaged: int, bar: Progress
) -> dict[str, Any]:
    """Further figures: deletion and robustness on a sample of the scored questions, pointing where positions are known.

    Returns the entries of `results.json` that these change.
    """
    grounding = dict(content.get("grounding", {}))
    scenes = Path(job.data).with_name("scenes.json")
    if scenes.is_file():
        grounding["pointing"] = pointing_game(work.answered_records(), scenes)
    if deleted:
        chosen = sample(job, work, content["n"], deleted)
        grounding["deletion"] = deletion(vqa, chosen, job.seed, started(bar, "deletion", len(chosen)))
    found = {"grounding": grounding} if grounding else {}
    if damaged:
        chosen = sample(job, work, content["n"], damaged)
        found["robustness"] = robustness(vqa, chosen, job.seed, started(bar, "robustness", len(chosen)))
    return found


def sample(job: Job, work: Work, scored: int, count: int) -> list[Example]:
    """`count` of the questions that were scored, drawn with the job's seed; all if there are fewer."""
    drawn = np.random.default_rng(job.seed).permutation(scored)[:count]
    places = [record["index"] for record in work.answered_records() if record["exact"] is not None]
    wanted = {places[i] for i in drawn.tolist()}
    return [example for index, example in enumerate(job.examples()) if index in wanted]
