"""`vqa train`: from a table of one's own questions and a folder of photos to a model, on an ordinary computer.

The questions are checked and the photos encoded once. Then members learn (`train.own.trials`): a finished model that is
fine-tuned, and small new ones. They are measured on photos that they have not learned from, their shares in the answer
are chosen there (`train.own.pool`); at last they learn from everything and become one model. Everything is in
`OUTPUT.run` until the model in OUTPUT is complete, so that the same command continues an interrupted run.
"""

import math
import shutil
import time
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from train.extract_features import extract
from train.fitting.settings import check_seed
from train.fitting.surgery import extend
from train.own.conclude import conclude, joint_model
from train.own.learning import Material
from train.own.merging import merged, near_equal
from train.own.precheck import Checked, check, counted, some
from train.own.report import recipes_table, sentences, worst_table
from train.own.trials import Trials
from train.own.words import answer_vectors, start_new_answers
from vqa.checkpoint.card import verdict
from vqa.checkpoint.find import find_checkpoint, read_json
from vqa.checkpoint.load import load_checkpoint
from vqa.data import files
from vqa.data.examples import write_jsonl
from vqa.data.features import FeatureStore, stored_name
from vqa.data.files import check_output, whole_file, write_json
from vqa.data.readers import read_examples
from vqa.data.vocabulary import AnswerVocabulary, extend_tokenizer
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAProcessor
from vqa.show.terminal import figures_table

QUESTIONS, FEATURES, SETTINGS, TRIALS = "questions.jsonl", "features", "settings.json", "trials"
PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
PHOTOS, DIGITS = "photos.json", 8  # the photos that a model has learned from: the first digits of their hashes
BALANCE = 10  # answers in the table of the most common ones


def train(
    data: str,
    images: str,
    output: str | None = None,
    start: str = "bundled",
    minutes: float = 10.0,
    epochs: int | None = None,
    seed: int = 1,
    refit: bool = True,
    merge: bool = False,
    console: Console | None = None,
) -> dict[str, Any] | None:
    """Check the data, train, evaluate, and write a complete checkpoint to `output`.

    start: the model to fine-tune, `bundled`, a folder or a Hub id. minutes: of the whole command. epochs: the most
    passes over the questions, by default those of `train.own.trials.RECIPES`. refit: at the end learn from the
    held-out photos too. merge: count nearly equal answers as one (`train.own.merging`). Without `output` the data are
    only checked.

    Returns the content of `results.json`, None after a check. Raises `InputError` for data from which no model can be
    trained, or an `output` that is not empty.
    """
    began, console = time.perf_counter(), console or Console()
    for name, value, least in (("--epochs", epochs, 1), ("--minutes", minutes, 0.01)):
        if value is not None and not least <= value < math.inf:
            advice = "a finite number" if value == math.inf else f"at least {least}"
            raise InputError(f"{name} is {value:g}; give {advice}.")
    check_seed(seed)
    folder = None if output is None else Path(output)
    if folder is not None:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise InputError(f"{folder} is not empty; choose another --output.")
        check_output(folder.parent)
    checked = read_checked(data, images, console, merge)
    checked.refuse()
    if folder is None:
        return None
    source = find_checkpoint(None if start == "bundled" else start)
    net, processor = load_checkpoint(source)
    known = net.config.answers
    net, processor = enlarged(net, processor, checked)
    run = folder.with_name(folder.name + ".run")
    write_questions(checked, images, run)
    options = {"start": start, "minutes": minutes, "epochs": epochs, "seed": seed, "no-refit": not refit}
    write_settings(run, options, console)
    photos = {stored_name(photo, [images]): Path(photo) for photo in checked.photos}
    console.print(extract(photos, run / FEATURES, net.image_encoder, net.config.backbone, processor.image_processor))
    store = FeatureStore.open(run / FEATURES)
    material = Material(net, processor, len(known), checked.examples, images, store)
    before = set(map(str, read_json(source / PHOTOS, list))) if (source / PHOTOS).is_file() else set()
    now = {store.hash_of[name][:DIGITS] for name in photos}
    trials = Trials(run / TRIALS, material, seed, minutes, time.perf_counter() - began, epochs, not refit, console)
    trials.measure()
    held, pool = trials.choose()
    joint = joint_model(trials, pool, trials.finals(pool, refit))
    facts: dict[str, Any] = {"model": folder.name, "start": Path(start).name if Path(start).is_dir() else start}
    facts |= {"known_photos": len(before & now)} if before & now else {}
    learned = {PHOTOS: sorted(before | now)}
    content = conclude(trials, pool, held, joint, processor, set(known), refit, data, facts, learned, run / "best")
    if folder.is_dir():
        folder.rmdir()
    (run / "best").rename(folder)
    shutil.rmtree(run)
    for part in (recipes_table(content["learning"]), figures_table(content), worst_table(content["learning"])):
        console.print(part)
    done = f"The model is in {folder}: vqa ui --model {quote(str(folder))}"
    for line in (*sentences(content), verdict(content), done):
        console.print(line, **PLAIN)
    return content


def enlarged(net: VQAModel, processor: VQAProcessor, checked: Checked) -> tuple[VQAModel, VQAProcessor]:
    """The model with the words and answers of the data, which follow its own."""
    own = AnswerVocabulary.build(checked.examples, len(checked.examples) * 10)
    answers = tuple(dict.fromkeys((*net.config.answers, *own.answers)))
    tokenizer = extend_tokenizer(processor.tokenizer, [example.question for example in checked.examples])
    larger, processor = extend(net, len(tokenizer), answers).eval(), VQAProcessor(processor.image_processor, tokenizer)
    start_new_answers(larger, answer_vectors(larger, processor), len(net.config.answers))
    return larger, processor


def read_checked(data: str, images: str, console: Console, merge: bool = False) -> Checked:
    """Read and check the data, merge nearly equal answers if requested, and print a report."""
    examples = read_examples(data, images=images)
    with Progress(console=console, transient=True) as bar:
        row = bar.add_task("photos checked", total=len({example.image for example in examples}))
        checked = check(examples, images, lambda: bar.advance(row))
    if near := near_equal(checked.answers):
        listed = some([f"{rare!r} and {common!r}" for rare, common in near.items()])
        advice = f"count them as one with: vqa train {quote(data)} --images {quote(images)} --merge"
        console.print(
            f"{counted(len(near), 'answer')} nearly equal to a more common one ({listed}); "
            f"{'they are counted as one' if merge else advice}.",
            **PLAIN,
        )
        checked.examples = merged(checked.examples, near) if merge else checked.examples
    for line in checked.remarks():
        console.print(line, **PLAIN)
    console.print(balance(checked))
    return checked


def balance(checked: Checked) -> Table:
    """The most common answers and their shares."""
    table = Table("answer", title="how often each answer is given")
    for name in ("questions", "share"):
        table.add_column(name, justify="right")
    count, n = checked.answers, max(1, len(checked.examples))
    common = count.most_common(BALANCE)
    for answer, times in common:
        table.add_row(Text(answer), f"{times:,}", f"{times / n:.1%}")
    if others := len(count) - len(common):
        left = n - sum(times for _, times in common)
        table.add_row(Text(counted(others, "other"), style="dim"), f"{left:,}", f"{left / n:.1%}")
    return table


def write_questions(checked: Checked, images: str, run: Path) -> None:
    """Write the checked questions into the run's folder. Raises `InputError` if it has a run with other questions."""
    inside = [replace(example, image=stored_name(example.image, [images])) for example in checked.examples]
    if len({example.image for example in inside}) < len(checked.photos):
        raise InputError(f"Two photos outside {images} have the same name; put all photos into one folder.")
    kept = run / QUESTIONS
    run.mkdir(parents=True, exist_ok=True)
    with whole_file(kept) as new:
        write_jsonl(inside, new)
        if kept.exists() and kept.read_bytes() != new.read_bytes():
            if (run / TRIALS).exists():
                raise InputError(
                    f"{run} holds an unfinished run with other questions; delete it, or choose another --output."
                )
            shutil.rmtree(run / FEATURES, ignore_errors=True)


def write_settings(run: Path, options: dict[str, Any], console: Console) -> None:
    """Write the options that determine the result into the run's folder. Raises `InputError` if a run there has others:
    what it has fitted would not be what this one would."""
    file = run / SETTINGS
    before = files.read_json(file, f"delete the folder {run}") if file.exists() else options
    if not (file.exists() and (run / TRIALS).exists()):  # nothing was learned: other options may do
        if before.get("start") != options["start"]:
            shutil.rmtree(run / FEATURES, ignore_errors=True)
        write_json(file, options)
        return
    for name, value in before.items():
        if options.get(name) != value:
            way = f"without --{name}" if value in (None, False) else f"with --{name}"
            given = "" if value is None or isinstance(value, bool) else f" {value}"
            raise InputError(f"{run} holds an unfinished run {way}{given}; continue it so, or delete the folder.")
    console.print(f"Continuing the run in {run}.", **PLAIN)
