"""`vqa train`: from a table of one's own questions and a folder of photos to a model, on an ordinary computer.

The questions are checked, the photos are encoded once, and `train.fit` fine-tunes a finished model with settings for
little data. Everything is in `OUTPUT.run` until the model in OUTPUT is complete, so that the same command continues an
interrupted run.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from train.extract_features import extract
from train.fit import fit
from train.fitting.settings import Data, Optimisation, Settings
from train.fitting.settings import check as check_settings
from train.fitting.state import has_state
from train.own.precheck import Checked, check, counted
from vqa.checkpoint.card import verdict
from vqa.checkpoint.load import load_checkpoint
from vqa.data.examples import write_jsonl
from vqa.data.features import stored_name
from vqa.data.files import whole_file
from vqa.data.readers import read_examples
from vqa.evaluation.answers.records import check_output
from vqa.model.errors import InputError
from vqa.show.terminal import figures_table

QUESTIONS, FEATURES = "questions.jsonl", "features"
BALANCE = 10  # answers in the table of the most common ones
REPETITIONS = 15_000  # questions in all epochs together, as far as FEWEST and MOST epochs allow
FEWEST, MOST = 4, 20


def train(
    data: str,
    images: str,
    output: str | None = None,
    start: str = "bundled",
    epochs: int | None = None,
    seed: int = 1,
    console: Console | None = None,
) -> dict[str, Any] | None:
    """Check the data, train, evaluate, and write a complete checkpoint to `output`.

    start: the model to fine-tune, `bundled`, a folder or a Hub id. epochs: by default as suits the number of questions.
    Without `output` the data are only checked.

    Returns the content of `results.json`, None after a check. Raises `InputError` for data from which no model can be
    trained, or an `output` that is not empty.
    """
    console = console or Console()
    if epochs is not None and epochs < 1:
        raise InputError(f"--epochs is {epochs}; give at least 1.")
    folder = None if output is None else Path(output)
    if folder is not None:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise InputError(f"{folder} is not empty; choose another --output.")
        check_output(folder.parent)
    checked = read_checked(data, images, console)
    checked.refuse()
    if folder is None:
        return None
    run = folder.with_name(folder.name + ".run")
    settings = settings_for(checked, images, run, start, epochs, seed)
    check_settings(settings)
    write_questions(checked, images, run)
    if settings.resume:
        console.print(f"Continuing the run in {run}.", markup=False, highlight=False, soft_wrap=True)
    net, processor = load_checkpoint(None if start == "bundled" else start)
    photos = {stored_name(photo, [images]): Path(photo) for photo in checked.photos}
    console.print(extract(photos, run / FEATURES, net.image_encoder, net.config.backbone, processor.image_processor))
    content = fit(settings)
    if folder.is_dir():
        folder.rmdir()
    (run / "best").rename(folder)
    shutil.rmtree(run)
    console.print(figures_table(content))
    for line in (verdict(content), f"The model is in {folder}: vqa ui --model {folder}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return content


def read_checked(data: str, images: str, console: Console) -> Checked:
    """Read and check the data, and print a report on them."""
    examples = read_examples(data, images=images)
    with Progress(console=console, transient=True) as bar:
        row = bar.add_task("photos checked", total=len({example.image for example in examples}))
        checked = check(examples, images, lambda: bar.advance(row))
    for line in checked.remarks():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
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
            raise InputError(
                f"{run} holds an unfinished run with other questions; delete it, or choose another --output."
            )


def settings_for(checked: Checked, images: str, run: Path, start: str, epochs: int | None, seed: int) -> Settings:
    """Settings for a few hundred to some ten thousand questions: a fifth of the photos are for validation, a tenth
    choose the best epoch, and the baseline heads are trained until they no longer improve."""
    optim = Optimisation(
        epochs=epochs or min(MOST, max(FEWEST, REPETITIONS // len(checked.examples))),
        batch_size=64,
        average=0.99,
        head_epochs=40,
        mix_blind=True,
    )
    data = Data(
        train=[str(run / QUESTIONS)],
        images=[images],
        features=str(run / FEATURES),
        holdout=0.1,
        validation_share=0.2,
    )
    title, resume = run.name.removesuffix(".run"), has_state(run / "last")
    return Settings(data, optim=optim, output=str(run), seed=seed, resume=resume, title=title, start=start)
