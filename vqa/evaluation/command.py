"""`vqa evaluate`: from files to figures, with a progress bar and a table."""

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from vqa.data.examples import reference
from vqa.data.features import FeatureStore, stored_name
from vqa.data.readers import drop_missing_photos, read_examples
from vqa.errors import InputError
from vqa.evaluation.evaluate import check_output, results, write
from vqa.evaluation.predictions import predict
from vqa.predict import VQA

COLUMNS = ("model", "question_only", "image_only", "majority", "upper_bound")


def evaluate(
    data: str,
    annotations: str | None = None,
    images: str | None = None,
    model: str | None = None,
    output: str | None = None,
    features: str | None = None,
    limit: int | None = None,
    swap_photos: bool = False,
    device: str = "auto",
    console: Console | None = None,
) -> dict[str, Any]:
    """Score a model on a data set, print a table and write `results.json` and `predictions.json` to `output`.

    features: a feature store that the same image encoder made; without it every photo is read and encoded.
    limit: only the first so many questions. swap_photos: ask each about another photo too, and tell the fall.

    Questions that cannot be scored (no photo, no words, no known answer) are left out, counted and told.

    Raises:
        InputError: something cannot be read or written, or no question can be scored.
    """
    console = console or Console()
    if limit is not None and limit < 1:
        raise InputError(f"The limit is {limit} questions; give at least 1.")
    if output is not None:
        check_output(Path(output))
    asked = read_examples(data, annotations, images)[:limit]
    examples = [example for example in asked if reference(example) is not None]
    if not examples:
        raise InputError(f"{data} holds no answers to score against; name its annotations with --annotations.")
    there, missing = (examples, 0) if features else drop_missing_photos(examples)
    if not there:
        raise InputError(
            f"None of the photos of {data} is in {images or 'its place'}; name their folder with --images."
        )
    vqa = VQA.load(model, device)
    store = FeatureStore.open(features, vqa.made_by()) if features else None
    folders = [] if images is None else [images]
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("questions", total=len(there))
        name_of, advance = partial(stored_name, folders=folders), partial(bar.advance, task)
        done = predict(vqa, there, store, name_of, advance, swap_seed=0 if swap_photos else None)
    if len(examples) < len(asked):
        first = next(e for e in asked if reference(e) is None)
        done.skip("answer", len(asked) - len(examples), f"question {first.question_id} has no answer to compare with")
    if missing:
        first = next(e for e in examples if not Path(e.image).is_file())
        done.skip("photo", missing, f"there is no photo {first.image}")
    plain = partial(console.print, markup=False, highlight=False, soft_wrap=True)  # file names may hold anything
    for reason, count in done.skipped.items():
        plain(f"{count:,} questions left out ({reason}), such as: {done.told[reason]}")
    if not done.examples:
        raise InputError(f"No question of {data} could be answered; the line above says why.")
    content = results(vqa, done, {"files": [Path(data).name], "n": len(asked)})
    console.print(table(content))
    if swap := content.get("grounding", {}).get("photo_swap"):
        low, high = swap["interval"]
        plain(
            f"About other photos {swap['exact']:.1f}%: {swap['drop']:.1f} points lower (95% {low:.1f} to {high:.1f})."
        )
    if output is not None:
        write(Path(output), done, content)
        plain(f"results.json, predictions.json and scores.json are in {output}")
    return content


def table(content: dict[str, Any]) -> Table:
    """Exact match for all questions, each answer type and each source; official accuracy below."""
    tables = content["tables"]
    columns = [name for name in COLUMNS if name in tables["overall"]]
    shown = Table("questions", title="exact match, %")
    for name in ("n", *columns):
        shown.add_column(name.replace("_", " "), justify="right")
    rows = [("all", tables["overall"]), *tables["by_answer_type"].items(), *tables["by_source"].items()]
    for name, figures in rows:
        shown.add_row(Text(name), f"{figures['n']:,}", *(f"{figures[column]:.1f}" for column in columns))
    if (official := tables["overall"].get("official")) is not None:
        shown.add_section()
        shown.add_row("official metric", f"{official['n']:,}", *(f"{official[column]:.1f}" for column in columns))
    return shown
