"""The model card, written from a checkpoint's own files and never by hand."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from safetensors import safe_open

from vqa.checkpoint.find import WEIGHTS
from vqa.model.configuration import TASK, VQAConfig
from vqa.model.errors import InputError

CARD = "README.md"
COLUMNS = ("model", "question_only", "question_prefix", "image_only", "majority", "upper_bound")
POINTING = {
    "peak in a box extended by half a cell": "peak_grown",
    "peak in a box": "peak",
    "share of the weight in the boxes": "mass",
}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of batch normalisation: no parameters


def model_card(folder: str | PathLike, tags: Sequence[str] = ()) -> str:
    """`README.md` of the checkpoint in `folder`, with the front matter that the Hub reads and further `tags` in it.

    Its figures are those of `results.json`, if there is one. Raises `InputError` where that lacks some of them.
    """
    results = Path(folder, "results.json")
    try:
        known = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else None
        return text(Path(folder), known, tags)
    except Exception as error:  # a figure of a wrong type surfaces as almost anything
        raise InputError(f"{results} has not the figures that a model card needs ({error!r}); leave it out.") from error


def text(folder: Path, results: dict[str, Any] | None, tags: Sequence[str]) -> str:
    """The whole card."""
    config = VQAConfig.from_pretrained(folder)
    parameters = count_parameters(folder / WEIGHTS)
    size = (folder / WEIGHTS).stat().st_size
    data = metadata(results, tags)
    way = f"in {config.looks} looks one after another" if config.looks > 1 else f"with {config.glimpses} glimpse(s)"
    return f"""---
{data.to_yaml()}
---
# {data.model_name or "A Glimpse model"}

A CNN ({config.backbone}, {config.image_size} pixels) turns a photo into a grid; a question encoder
({config.num_layers} layer {config.recurrent_cell.upper()}, hidden size {config.hidden_size}, {config.vocab_size:,}
words) turns a question into a vector; {config.attention} attention {way} looks at the
grid; {config.fusion} joins both; {config.num_labels:,} answers are scored. {parameters / 1e6:.1f} million parameters,
{size / 1e6:.1f} MB at {8 * round(size / parameters)} bits, image encoder included.

```python
from vqa import VQA  # pip install glimpse-vqa

VQA.load("this-folder").ask("photo.jpg", "what is on the table?")
```

or, without that package:

```python
from transformers import pipeline

answer = pipeline(model="this-folder", trust_remote_code=True)
answer(image="photo.jpg", question="what is on the table?", top_k=3)
```

## Figures
{figures(results)}
## Data
{origin(results, config)}
## Limits
It knows {config.num_labels:,} answers and says one of them to every question, also where none is right: read its
confidence, and compare it with the answer without looking. It counts badly, does not read text, and knows
little of the world beyond its training questions. English only.

## People
Its training questions were written by people about photos of people, with their habits and prejudices: it will guess
gender, age or occupation from clothes and surroundings. Do not use it to say anything about a person, nor for any
decision that matters.
"""


def metadata(results: dict[str, Any] | None, tags: Sequence[str]) -> ModelCardData:
    """The front matter."""
    known: dict[str, Any] = {}
    if results:
        name = "Glimpse, bundled model" if results["model"] == "bundled" else results["model"]
        known = {"model_name": name, "eval_results": evaluations(results), "metrics": ["accuracy"]}
        known["datasets"] = sorted(map(slug, results["metrics"]["by_source"])) or None
    return ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag=TASK,
        tags=["glimpse", TASK, "attention", "lstm", "custom_code", *tags],
        **known,
    )


def evaluations(results: dict[str, Any]) -> list[EvalResult]:
    """What `results.json` says of the whole and of each source, as the Hub shows it."""
    metrics = results["metrics"]
    whole = ", ".join(results["data"]["files"]) or "questions"
    rows = [(whole, "accuracy", "exact match", metrics["exact"])]
    if metrics["official"] is not None:
        rows.append((whole, "vqa_accuracy", "official VQA accuracy", metrics["official"]))
    rows += [(source, "accuracy", "exact match", value) for source, value in metrics["by_source"].items()]
    return [
        EvalResult(
            task_type=TASK,
            dataset_type=slug(data),
            dataset_name=data,
            dataset_split="validation",
            metric_type=kind,
            metric_name=f"{name}, percent",
            metric_value=value,
        )
        for data, kind, name, value in rows
    ]


def figures(results: dict[str, Any] | None) -> str:
    """The tables and what they mean, or that there are none."""
    if not results:
        return "It has not been evaluated: `vqa evaluate --model this-folder --data … --images … --output results`.\n"
    metrics, calibration, official = results["metrics"], results["calibration"], ""
    if metrics["official"] is not None:
        count = f"{metrics['n_official']:,} questions with ten human answers"
        official = f"\nOfficial VQA accuracy on the {count}: **{metrics['official']}%**.\n"
    if "ece_before" in calibration:  # measured at the end of training
        confidence = f"""{calibration["ece"]}% ({calibration["ece_before"]}% before temperature scaling),
fitted on half of the validation photos and reported on the other half"""
        command = f"`python -m train.fit --config` with the settings in `training.json`, seed {results['seed']}"
        if "learning" in results:
            command = f"`{results['command']}`"
    else:
        confidence = f"""{calibration["ece"]}%,
with the temperatures that training fitted on half of its validation photos"""
        command = f"`{results['command']}`, revision {str(results['environment']['revision'])[:10]}"
    return f"""{results["n"]:,} validation questions on photos that were never trained on; exact match in percent
(answer and reference both normalised). `question_only` is the better of the question-only head and the
question-prefix prior; `upper_bound` is what the answer vocabulary allows.

{table(results["tables"])}

{" ".join([*measured(results), verdict(results)])}{official}
Confidence: expected calibration error {confidence}.
{stated(results)}{looking(results.get("grounding", {}))}{suite(results)}
Command: {command}.
{skipped(results)}"""


def stated(results: dict[str, Any]) -> str:
    """How many answers are stated as sure, as a table; nothing where that was not measured."""
    if "sure" not in results:
        return ""
    lines = ["", "| answers | n | stated as sure | of these right |", "|---|--:|--:|--:|"]
    for name, row in results["sure"].items():
        right = "-" if row["right"] is None else f"{row['right']:.1f}"
        lines.append(f"| {name} | {row['n']:,} | {row['sure']:,} | {right} |")
    return "\n".join([*lines, ""])


def looking(grounding: dict[str, Any]) -> str:
    """How much the answers depend on the photo and on the attended place, and where attention points; nothing where
    that was not measured."""
    sentences, parts = [], []
    if swap := grounding.get("photo_swap"):
        low, high = swap["interval"]
        sentences.append(f"With a different photo, {swap['drop']:.1f} points are lost (95% {low:.1f} to {high:.1f}).")
    if cover := grounding.get("deletion"):
        low, high = cover["centre_confidence_interval"]
        sentences.append(
            f"Covering the attended region lowers the confidence by {cover['centre_confidence_excess']:.1f} points\n"
            f"more than covering the middle of the photo (95% {low:.1f} to {high:.1f})."
        )
    if sentences:
        parts.append("\n".join(sentences))
    if (boxes := grounding.get("boxes")) and boxes["n"]:
        parts.append(pointing(boxes))
    return "".join(f"\n{part}\n" for part in parts)


def suite(results: dict[str, Any]) -> str:
    """Markdown of the card of `vqa evaluate --suite looking`; nothing for an evaluation without it."""
    rows = results.get("looking", {}).get("card", [])
    if not rows:
        return ""
    lines = ["| does it look? | figure | 95% interval |", "|---|--:|--:|"]
    for row in rows:
        between = " to ".join(f"{bound:.1f}" for bound in row["interval"] or ())
        lines.append(f"| {row['name']} | {row['figure']:.1f} | {between} |")
    return "\n" + "\n".join([*lines, ""])


def pointing(boxes: dict[str, Any]) -> str:
    """Markdown of `grounding.boxes` in `results.json`: a row for each measure of the attention and of each glimpse."""
    heads = ("model", "middle of the photo", "even map", "above the middle", "95% interval")
    count = f"{boxes['n']:,} questions that name an object with a box"
    lines = [f"| attention, % of {count} | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for number, figures in enumerate([boxes, *boxes["glimpses"]]):
        for name, measure in POINTING.items():
            row = figures[measure]
            low, high = row["above_middle_interval"]
            cells = [f"{row[key]:.1f}" for key in ("attention", "middle", "even", "above_middle")]
            title = f"glimpse {number}: {name}" if number else name
            lines.append(f"| {title} | {' | '.join(cells)} | {low:.1f} to {high:.1f} |")
    return "\n".join(lines)


def measured(content: dict[str, Any]) -> Iterator[str]:
    """How `vqa train` measured a model, in sentences; nothing for other models."""
    if "learning" not in content:
        return
    learning = content["learning"]
    kept = f"a fifth of the {learning['photos']:,} photos was kept apart"
    times = f"{learning['folds']} times " if learning["folds"] > 1 else ""
    yield f"Measured on {content['n']:,} questions: {times}{kept}."
    if learning["refit"]:
        yield "After that the model has learned from all photos."
    else:
        yield "The model has not learned from the fifth of the photos that was kept apart first."
    if known := content.get("known_photos"):
        yield (
            f"The model that it started from had learned from {known:,} of these photos before, so that the figures "
            "are too high; measure it on other photos with vqa evaluate."
        )
    if not learning["photo_helps"]:
        yield "The photos do not help: the model answers from the question alone, as that is right more often."


def verdict(content: dict[str, Any]) -> str:
    """Whether the model beats guessing without looking, in one sentence; nothing where that was not computed."""
    if "intervals" not in content:
        return ""
    model, blind = content["metrics"]["exact"], content["baselines"]["question_only"]
    low, high = content["intervals"]["above_question_only"]
    photos = "were kept apart" if content.get("known_photos") else "it never saw"
    figures = (
        f"{model:.1f}% of {content['n']:,} questions about photos that {photos} are answered right, "
        f"{blind:.1f}% without looking (95% interval of the difference {low:.1f} to {high:.1f} points)"
    )
    if low > 0:
        return f"The model beats guessing without looking: {figures}."
    if model > blind:
        return f"The model is above guessing without looking, but that may be chance: {figures}; give more photos."
    return f"The model does not beat guessing without looking: {figures}; give more photos, or easier questions."


def origin(results: dict[str, Any] | None, config: VQAConfig) -> str:
    """Where questions, photos and the image encoder's weights come from."""
    lite = "EfficientNet-Lite, Apache-2.0" if "efficientnet_lite" in config.backbone else config.backbone
    encoder = f"ImageNet-trained weights of the image encoder: {lite}." if config.backbone != "tiny" else ""
    if not results:
        return f"Photos are not part of the model. {encoder}\n"
    files = ", ".join(f"`{name}`" for name in results["data"]["files"])
    others = "" if "learning" in results else " and the training files that `training.json`\nnames"
    if start := results.get("start"):
        name = "Glimpse's bundled model" if start == "bundled" else f"`{start}`"
        encoder = f"Training went on from {name}, whose own card says what that had learned from."
    else:
        encoder += "\nVQA annotations: CC BY 4.0. COCO photos belong to their owners (Flickr terms)."
    return f"""Questions: {files}{others}. Photos are not part of the model. {encoder}
"""


def table(tables: dict[str, Any]) -> str:
    """Markdown: a row for all, each answer type and each source."""
    rows = [("all", tables["overall"]), *tables["by_answer_type"].items(), *tables["by_source"].items()]
    columns = [name for name in COLUMNS if name in tables["overall"]]
    lines = ["| questions | n | " + " | ".join(columns) + " |", "|---|" + "--:|" * (len(columns) + 1)]
    for name, figures in rows:
        cells = " | ".join(f"{figures[column]:.1f}" for column in columns)
        lines.append(f"| {name} | {figures['n']:,} | {cells} |")
    return "\n".join(lines)


def skipped(results: dict[str, Any]) -> str:
    """What was left out, if anything."""
    parts = [f"{count:,} questions ({reason})" for reason, count in results["skipped"].items()]
    return f"\nLeft out: {', '.join(parts)}.\n" if parts else ""


def count_parameters(weights: Path) -> int:
    """How many numbers have been learned."""
    with safe_open(weights, "np") as file:
        names = [name for name in file.keys() if not name.endswith(STATISTICS)]  # noqa: SIM118 (no mapping)
        return sum(math.prod(file.get_slice(name).get_shape()) for name in names)


def slug(name: str) -> str:
    """A name as the Hub writes identifiers."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "questions"
