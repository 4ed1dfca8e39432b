"""The model card, written from the figures and never by hand."""

from typing import Any

from train.settings import Settings
from vqa.predict import VQA

COLUMNS = ("model", "question_only", "question_prefix", "image_only", "majority", "upper_bound")


def model_card(vqa: VQA, results: dict[str, Any], settings: Settings) -> str:
    """`README.md` of a checkpoint, with the front matter that the Hub reads."""
    config, metrics = vqa.config, results["metrics"]
    parameters = sum(p.numel() for p in vqa.model.parameters())
    size = (vqa.folder / "model.safetensors").stat().st_size / 1e6
    official = metrics["official"]
    official_line = (
        f"\nOfficial VQA accuracy on the {metrics['n_official']:,} questions with ten human answers: **{official}%**.\n"
        if official is not None
        else ""
    )
    calibration = results["calibration"]
    return f"""---
license: apache-2.0
language: en
pipeline_tag: visual-question-answering
tags: [visual-question-answering, attention, lstm]
---
# {settings.title}

A CNN ({config.backbone}, {config.image_size} pixels) turns a photo into a grid; a question encoder
({config.num_layers} layer {config.recurrent_cell.upper()}, hidden size {config.hidden_size}, {config.vocab_size:,}
words) turns a question into a vector; {config.attention} attention with {config.glimpses} glimpse(s) looks at the
grid; {config.fusion} joins both; {config.num_labels:,} answers are scored. {parameters / 1e6:.1f} million parameters,
{size:.1f} MB at 16 bits, image encoder included.

```python
from vqa import VQA

VQA.load("this-folder").ask("photo.jpg", "what is on the table?")
```

## Figures
{results["n"]:,} validation questions on photos that were never trained on; exact match in percent (answer and
reference both normalised). `question_only` is the better of the question-only head and the question-prefix prior;
`upper_bound` is what the answer vocabulary allows.

{table(results["tables"])}
{official_line}
Confidence: expected calibration error {calibration["ece"]}% ({calibration["ece_before"]}% before temperature scaling),
fitted on half of the validation photos and reported on the other half.

Command: `python -m train.fit --config` with the settings in `training.json`, seed {settings.seed}.
{skipped(results)}
## Data
Questions: {", ".join(f"`{name}`" for name in results["data"]["files"])} and the training files that `training.json`
names. Photos are not part of the model. ImageNet-trained weights of the image encoder: EfficientNet-Lite, Apache-2.0.
VQA annotations: CC BY 4.0. COCO photos belong to their owners (Flickr terms).

## Limits
It knows {config.num_labels:,} answers and says one of them to every question, also where none is right: read its
confidence, and compare it with the answer without looking. It counts badly, does not read text, and knows
little of the world beyond its training questions. English only.

## People
Its training questions were written by people about photos of people, with their habits and prejudices: it will guess
gender, age or occupation from clothes and surroundings. Do not use it to say anything about a person, nor for any
decision that matters.
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
