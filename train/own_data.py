"""`vqa train`: from a table of one's own questions and a folder of photos to a model, on an ordinary computer.

The questions are checked, the photos are encoded once, and `train.fit` goes on from a finished model with settings
for little data. All work lies in `OUTPUT.run` until the model in OUTPUT is complete, so that the same command goes on
where it was stopped.
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
from train.fitting.precheck import Checked, check, counted
from train.fitting.settings import Data, Optimisation, Settings
from train.fitting.settings import check as check_settings
from vqa.checkpoint.card import verdict
from vqa.checkpoint.load import load_checkpoint
from vqa.data.examples import write_jsonl
from vqa.data.features import stored_name
from vqa.data.files import whole_file
from vqa.data.readers import read_examples
from vqa.evaluation.answers.outputs import check_output
from vqa.model.errors import InputError
from vqa.show.tables import table

QUESTIONS, FEATURES = "questions.jsonl", "features"
BALANCE = 10  # answers in the table of the most common ones
PASSES = 15_000  # questions that are learned from, with repetitions, as far as FEWEST and MOST epochs allow
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

    start: the model to go on from, `bundled`, a folder or a Hub id. epochs: passes over the questions; without it as
    many as suit their number. Without `output` it ends with the report on the data.

    Returns the content of `results.json`, None after a check. Raises `InputError` for data that cannot be learned
    from, or an `output` that is taken.
    """
    console = console or Console()
    if epochs is not None and epochs < 1:
        raise InputError(f"--epochs is {epochs}; give at least 1.")
    if output is not None:
        check_place(Path(output))
    checked = look_over(data, images, console)
    checked.refuse()
    if output is None:
        return None
    folder = Path(output)
    run = folder.with_name(folder.name + ".run")
    settings = settings_for(checked, images, run, start, epochs, seed)
    check_settings(settings)
    keep_questions(checked, images, run)
    if settings.resume:
        console.print(f"Going on with the run in {run}.", markup=False, highlight=False, soft_wrap=True)
    encode(checked, images, run / FEATURES, start, console)
    found: list[dict[str, Any]] = []
    best = fit(settings, found.append)
    if folder.is_dir():
        folder.rmdir()
    best.rename(folder)
    shutil.rmtree(run)
    (content,) = found
    console.print(table(content))
    for line in (verdict(content), f"The model is in {folder}: vqa ui --model {folder}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return content


def check_place(folder: Path) -> None:
    """Raises `InputError` if no new model can be put there."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder} holds something already; choose another --output.")
    check_output(folder.parent)


def look_over(data: str, images: str, console: Console) -> Checked:
    """Read and check the data, and print what was found."""
    examples = read_examples(data, images=images)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("photos checked", total=len({example.image for example in examples}))
        checked = check(examples, images, lambda: bar.advance(task))
    for line in checked.remarks():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(balance(checked))
    return checked


def balance(checked: Checked) -> Table:
    """The most common answers and their shares."""
    shown = Table("answer", title="how often each answer is given")
    for name in ("questions", "share"):
        shown.add_column(name, justify="right")
    count, n = checked.answers, max(1, len(checked.examples))
    common = count.most_common(BALANCE)
    for answer, times in common:
        shown.add_row(Text(answer), f"{times:,}", f"{times / n:.1%}")
    if others := len(count) - len(common):
        left = n - sum(times for _, times in common)
        shown.add_row(Text(counted(others, "other"), style="dim"), f"{left:,}", f"{left / n:.1%}")
    return shown


def keep_questions(checked: Checked, images: str, run: Path) -> None:
    """Write the checked questions into the run's folder. Raises `InputError` if a run with others was begun there."""
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


def begun(run: Path) -> bool:
    """Whether there is a state to go on from."""
    return any((run / name).exists() for name in ("last", "last.old"))


def settings_for(checked: Checked, images: str, run: Path, start: str, epochs: int | None, seed: int) -> Settings:
    """What suits a few hundred to some ten thousand questions: a fifth of the photos measure, a tenth choose the best
    epoch, and the guessing heads, to which the model is compared, learn to their end."""
    optim = Optimisation(
        epochs=epochs or min(MOST, max(FEWEST, PASSES // len(checked.examples))),
        batch_size=64,
        average=0.99,
        head_epochs=40,
        head_patience=8,
        pool=True,
    )
    data = Data(
        train=[str(run / QUESTIONS)],
        images=[images],
        features=str(run / FEATURES),
        holdout=0.1,
        validation_share=0.2,
    )
    title, resume = run.name.removesuffix(".run"), begun(run)
    return Settings(data, optim=optim, output=str(run), seed=seed, resume=resume, title=title, start=start)


def encode(checked: Checked, images: str, store: Path, start: str, console: Console) -> None:
    """Encode every photo once, by the image encoder of the model to start from."""
    net, processor = load_checkpoint(None if start == "bundled" else start)
    photos = {stored_name(photo, [images]): Path(photo) for photo in checked.photos}
    console.print(extract(photos, store, net.image_encoder, net.config.backbone, processor.image_processor))
