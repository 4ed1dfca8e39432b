"""`vqa evaluate`: from files to figures, with progress bars, a table and a report."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from vqa.data.boxes import read_boxes
from vqa.data.examples import Example
from vqa.data.files import check_output, locked
from vqa.data.metric import normalize_answer
from vqa.evaluation.answers.answering import answer_all, load_model
from vqa.evaluation.answers.questions import examples_of, survey
from vqa.evaluation.answers.records import Journal, write_outputs
from vqa.evaluation.answers.scores import attention_of
from vqa.evaluation.looking import card, card_table, prepared
from vqa.evaluation.measures.wups import wups
from vqa.evaluation.options import Options
from vqa.evaluation.probes.asked_again import Diagnostic
from vqa.evaluation.probes.boxes import PointingAtBoxes
from vqa.evaluation.probes.deletion import Deletion
from vqa.evaluation.probes.photo_swap import PhotoSwap
from vqa.evaluation.probes.pointing import PointingGame
from vqa.evaluation.probes.robustness import Robustness
from vqa.evaluation.probes.wordings import Blind, Mirror, Presence, about_sides, objects_of
from vqa.evaluation.report.report import write_report
from vqa.evaluation.results import results
from vqa.model.errors import InputError, printable
from vqa.model.photos import content_hash
from vqa.model.text import answer_kind
from vqa.predict import VQALike
from vqa.show.terminal import figures_table, remarks

UNFINISHED = ".unfinished"
NOT_OF_THE_RUN = ("output", "metric", "predictions", "deletion", "robustness", "boxes", "processes")  # change no answer


def evaluate(options: Options, console: Console | None = None) -> dict[str, Any] | None:
    """Score a model (or a file of predictions) on a data set, print a table, and write report.html and the files that
    `vqa.evaluation.answers.records.write_outputs` lists to the output folder.

    A run that was killed is resumed if its output is the same. Questions that cannot be answered (no photo, no words)
    are skipped, counted and reported; questions without a known answer are answered and not scored. Returns the content
    of `results.json`; None where no question has a known answer.

    Raises:
        InputError: something cannot be read or written, or no question can be answered.
    """
    console = console or Console()

    def say(line: str) -> None:  # file names may hold anything
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

    options = prepared(options)
    if options.output is not None:
        check_output(Path(options.output))
    if options.metric == "wups":
        wups("cat", "dog", 0.9)  # a missing WordNet is reported at once
    surveyed = survey(options)
    check_boxes(options)
    with Progress(console=console, transient=True) as bar:
        vqa = None if options.predictions is not None else load(options)
        if options.calibrate is not None:
            say(calibrate(options, vqa, bar))
        with open_journal(options.output, run_settings(options, vqa)) as journal:
            if journal.answered:
                say(f"Going on after {journal.answered:,} of {surveyed.n:,} questions.")
            answer_all(options, vqa, journal, progress(bar, "questions", surveyed.n, journal.answered))
            for reason, (count, message) in journal.skipped().items():
                say(f"{count:,} questions left out ({reason}), such as: {message}")
            if next(journal.records(), None) is None:
                raise InputError(f"No question of {options.data} could be answered; the line above says why.")
            for line in surveyed.remarks(options.metric):
                say(line)
            content = None
            if surveyed.answered:
                content = score(options, vqa, journal, surveyed.n, bar)
                console.print(figures_table(content))
                for line in remarks(content):
                    say(line)
                if options.suite:
                    console.print(card_table(content["looking"]["card"]))
                if options.swap_photos and vqa is not None and "photo_swap" not in content.get("grounding", {}):
                    say("There is a single photo, so photos could not be swapped.")
            if options.output is not None:
                write(options, journal, content, bar)
                names = sorted(path.name for path in Path(options.output).iterdir())
                say(f"{', '.join(n for n in names if n[0] != '.')} are in {options.output}")
    return content


def check_boxes(options: Options) -> None:
    """Raise `InputError` for boxes that cannot be used, before any question is answered."""
    if options.boxes is None:
        return
    if options.predictions is not None:
        raise InputError("Boxes measure attention, which a file of answers does not have; leave --boxes out.")
    objects = read_boxes(options.boxes)
    if not any(Path(example.image).name in objects for example in examples_of(options)):
        raise InputError(
            f"{options.boxes} has none of the photos of {options.data}; give boxes whose 'image' is the file name of a "
            "photo in the data."
        )


def load(options: Options) -> VQALike:
    """The model. Raises `InputError` for one that cannot do what the options require."""
    vqa = load_model(options)
    if vqa.kind and options.features:
        raise InputError(
            f"{options.model} is not a Glimpse model, whose grids a feature store holds; leave features out."
        )
    return vqa


def calibrate(options: Options, vqa: VQALike | None, bar: Progress) -> str:
    """Fit the temperatures of a foreign model's confidence on other questions, use and remember them, and say so."""
    if vqa is None or not hasattr(vqa, "temperatures"):
        raise InputError("Only models of transformers are calibrated so: a Glimpse model is when it is trained.")
    from vqa.foreign import calibration

    vqa.temperatures = {}
    other = replace(options, data=options.calibrate or "", annotations=None, calibrate=None, swap_photos=False)
    journal = Journal(None, {})
    answer_all(other, vqa, journal, progress(bar, "calibration", survey(other).n))
    rows = [record for record in journal.records() if record["exact"] is not None and record["confidence"] is not None]
    journal.close()
    if not rows:
        raise InputError(f"No question of {options.calibrate} has an answer and a confidence; give others.")
    confidence = np.array([record["confidence"] for record in rows], dtype=float)
    right = np.array([(record["official"] or record["exact"])["model"] for record in rows], dtype=float)
    kinds = [answer_kind(normalize_answer(record["prediction"])) for record in rows]
    vqa.temperatures = calibration.fit(confidence, right, kinds)
    path = calibration.write(vqa.name, vqa.temperatures, len(rows))
    return f"Calibrated on {len(rows):,} answers; the temperatures are in {path}."


def run_settings(options: Options, vqa: VQALike | None) -> dict[str, Any]:
    """What makes two runs the same: the settings, the weights, the numbers' precision, the files' state."""
    paths = [path for path in (options.data, options.annotations, options.predictions) if path is not None]
    files = {path: os.stat(path) for path in paths if os.path.isfile(path)}
    return {name: value for name, value in asdict(options).items() if name not in NOT_OF_THE_RUN} | {
        "wups": options.metric == "wups",
        "weights": None if vqa is None else vqa.weights_hash(),
        "temperatures": getattr(vqa, "temperatures", None),
        "precision": None if vqa is None else str(vqa.dtype),
        "files": {path: [state.st_size, state.st_mtime_ns] for path, state in files.items()},
    }


def progress(bar: Progress, name: str, total: int, completed: int = 0) -> Callable[[int], None]:
    """The function that advances a new progress bar."""
    return partial(bar.advance, bar.add_task(name, total=total, completed=completed))


@contextmanager
def open_journal(output: str | None, run: dict[str, Any]) -> Iterator[Journal]:
    """The journal of a run, in its output folder.

    It stays if the run is killed or interrupted. It is removed at the end, and after an `InputError` if nothing was
    answered, then with the output folder if that is new. No other run can write there meanwhile.
    """
    path = None if output is None else Path(output) / UNFINISHED
    with nullcontext() if path is None else locked(path.parent):
        journal, over = Journal(path, run), False
        try:
            yield journal
            over = True
        except InputError:
            over = next(journal.records(), None) is None
            raise
        finally:
            journal.close()
            if over and path is not None:
                path.unlink()


def score(options: Options, vqa: VQALike | None, journal: Journal, n: int, bar: Progress) -> dict[str, Any]:
    """The content of `results.json`; n: how many questions the data has."""
    files = [Path(path) for path in (options.data, options.annotations, options.boxes) if path is not None]
    hashes = {path.name: content_hash(path) for path in files if path.is_file()}
    data = {"files": [path.name for path in files[:1]], "n": n, "hashes": hashes}
    skipped = {reason: count for reason, (count, _) in journal.skipped().items()}
    name = None if options.predictions is None else Path(options.predictions).name
    content = results(vqa, journal.records(), data, None, skipped, options.metric, name)
    for diagnostic in diagnostics(options, vqa, journal, content["n"], bar):
        for entry, figures in diagnostic.run():
            *parent, key = entry.split("/")
            (content.setdefault(parent[0], {}) if parent else content)[key] = figures
    if options.suite:
        content.setdefault("looking", {})["card"] = card(content)
    return content


def write(options: Options, journal: Journal, content: dict[str, Any] | None, bar: Progress) -> None:
    """All files of the output folder."""
    folder, name = Path(options.output or ""), Path(options.data.removeprefix("easy-vqa:")).name.split(".")[0]
    write_outputs(folder, journal.records, content, name)
    if content is not None:
        write_report(folder / "report.html", content, journal.records(), progress(bar, "report", content["n"]))


def diagnostics(
    options: Options, vqa: VQALike | None, journal: Journal, scored: int, bar: Progress
) -> Iterator[Diagnostic]:
    """The further measurements that were asked for, and the pointing game where the data is a world.

    scored: how many questions have a known answer.
    """
    if vqa is None:
        return
    if options.swap_photos:
        yield PhotoSwap(journal.records())
    scenes = Path(options.data).with_name("scenes.json")
    attends = not options.suite or attention_of(next(journal.records())) is not None
    if scenes.is_file() and attends:
        yield PointingGame(journal.records(), scenes)
    if options.boxes is not None and attends:
        yield PointingAtBoxes(journal.records(), options.boxes)
    probes: list[tuple[Any, int, dict[str, Any]]] = [
        (Deletion, options.deletion * attends, {}),
        (Robustness, options.robustness, {}),
    ]
    if options.suite:
        if not options.robustness:
            probes[1] = (Robustness, options.deletion, {"variants": ("typos",)})
        objects = objects_of(options.boxes, scenes)
        probes += [(Presence, options.deletion * bool(objects), {"objects": objects})]
        probes += [(Mirror, options.deletion, {}), (Blind, options.deletion, {})]
    for asked_again, count, settings in probes:
        if count:
            # questions about left and right are few, so all are considered, and no more than `count` asked
            about = sides(options, journal, count) if asked_again is Mirror else sample(options, journal, scored, count)
            advance = progress(bar, asked_again.__name__.lower(), len(about))
            yield asked_again(vqa, about, options.seed, advance, **settings)


def sample(options: Options, journal: Journal, scored: int, count: int) -> list[Example]:
    """`count` of the questions that were scored, drawn with the seed of the options; all if there are fewer."""
    drawn = set(np.random.default_rng(options.seed).permutation(scored)[:count].tolist())
    return [example for place, example in enumerate(scored_examples(options, journal)) if place in drawn]


def sides(options: Options, journal: Journal, count: int) -> list[Example]:
    """The first `count` of the questions that were scored and are about left and right."""
    return list(itertools.islice(filter(about_sides, scored_examples(options, journal)), count))


def scored_examples(options: Options, journal: Journal) -> Iterator[Example]:
    """The questions that were scored, in the data's order."""
    indices = {record["index"] for record in journal.records() if record["exact"] is not None}
    return (example for index, example in enumerate(examples_of(options)) if index in indices)
