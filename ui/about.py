"""What the model can and cannot do, with the figures that were measured."""

from typing import TYPE_CHECKING, Any

from ui.payload import NOT_SURE

if TYPE_CHECKING:
    from vqa.predict import VQA

TEXT = """
## What it does
It looks at the photo through a CNN, reads the question with an LSTM, looks again where the question sends it, and
chooses one of **{answers:,} answers**. It cannot say anything else, and it always says something: look at how sure it
is, and at what it would have said **without looking**. If both are the same, the photo may not have mattered.

- The **heat** shows which places weighed in the answer. It is a hint at the reason, not a proof. Click one of the best
  answers to see which places speak for it, and cover parts of the photo under *What if* to test it.
- Below {sure:.0%} it says 'not sure'. The percentages are calibrated on photos like those of its training; on others
  (drawings, X-rays, night) they are likely too high.
- It counts badly, reads no text, misses small things, and knows little of the world. It understands English only.
- It has learned the habits and prejudices of the people who took the photos and asked the questions. Do not use it to
  judge, identify or rate people, nor where a wrong answer can hurt somebody.

Photos and questions go to the machine that serves this page and nowhere else; uploads are deleted after an hour.

## How good it is
{figures}

## Data and licences
Code: Apache-2.0. Questions and answers: VQA v1 and v2 (CC BY 4.0), COCO-QA, OK-VQA; photos for training: COCO, under
the terms of those who put them on Flickr, none of them in here. Image encoder: EfficientNet-Lite, Apache-2.0. Example
photos: scikit-image's, CC0; the drawings are our own.
"""

FOREIGN = """
## {name}
A model of transformers, of type {kind}. Its own card says what it was trained on, under which terms, and how good it
is. It can be asked and compared here; *What if*, *Inside* and the evidence for an answer need a Glimpse model.

Photos and questions go to the machine that serves this page and nowhere else; uploads are deleted after an hour.
"""


def text(vqa: "VQA") -> str:
    """The page, in Markdown, about this model: figures from its own `results.json`."""
    if vqa.kind:
        return FOREIGN.format(name=vqa.name, kind=vqa.kind)
    results = vqa.extra("results.json")
    return TEXT.format(
        answers=len(vqa.answers), sure=NOT_SURE, figures=figures(results) if results else "This model was not measured."
    )


def figures(results: dict[str, Any]) -> str:
    """The table of `results.json`: the model beside what a guess reaches, in percent."""
    metrics, baselines = results["metrics"], results["baselines"]
    rows = [
        ("the model", metrics["exact"]),
        ("the question without the photo", baselines.get("question_only")),
        ("the photo without the question", baselines.get("image_only")),
        ("always the most common answer", baselines.get("majority")),
        ("the best that its list of answers allows", baselines.get("upper_bound")),
    ]
    lines = [f"| {name} | {value:.1f} % |" for name, value in rows if value is not None]
    kinds = ", ".join(f"{name} {value:.1f} %" for name, value in metrics.get("by_answer_type", {}).items())
    table = "\n".join(["| right answers | |", "|---|--:|", *lines])
    official = metrics.get("official")
    more = f" Official VQA accuracy {official:.1f} % on {metrics['n_official']:,} of them." if official else ""
    calibration = results.get("calibration", {}).get("ece")
    sure = f" Its confidence is off by {calibration:.1f} points on average." if calibration is not None else ""
    split = results["data"].get("split", "test")
    return f"{table}\n\nOn {results['n']:,} {split} questions about photos that it never saw. {kinds}.{more}{sure}"
