"""The page About: what the model can and cannot do, with the figures that were measured."""

from typing import TYPE_CHECKING, Any

from ui import FOLDER
from vqa.model.text import KINDS, SURE

if TYPE_CHECKING:
    from vqa.predict import VQALike

NAMES = {"yes/no": "yes and no", "number": "numbers", "other": "other answers"}
FOREIGN = """
# About

## {name}
A model of transformers, of type {kind}. Its own card says what it was trained on, under which terms, and how good it
is. It can be asked and compared here, and parts of a photo can be covered; *Learn* and the evidence for an answer need
a Glimpse model.

Photos and questions go to the machine that serves this page and nowhere else; they are deleted after an hour.
"""


def text(vqa: "VQALike") -> str:
    """The page's Markdown for this model, with the figures of its own `results.json`."""
    if vqa.kind:
        return FOREIGN.format(name=vqa.name, kind=vqa.kind)
    from vqa.predict import ours  # takes seconds

    results = vqa.extra("results.json")
    measured = figures(results) if results else "This model was not measured."
    page = (FOLDER / "learn" / "about.md").read_text(encoding="utf-8")
    return page.format(answers=len(vqa.answers), not_sure=not_sure(ours(vqa).config.sure), figures=measured)


def not_sure(thresholds: dict[str, float]) -> str:
    """When the app says 'not sure', in a sentence; thresholds: see `VQAConfig.sure`."""
    if not thresholds:
        return f"Below {SURE:.0%} it says 'not sure'."
    least = {NAMES[kind]: thresholds.get(kind, SURE) for kind in KINDS}
    parts = [f"{name} below {value:.0%}" if value < 1 else f"{name} always" for name, value in least.items()]
    return f"It says 'not sure' if the confidence is too low: for {', for '.join(parts)}."


def figures(results: dict[str, Any]) -> str:
    """The table of `results.json`, in percent: the model beside its baselines; then sentences on the rest."""
    metrics, baselines = results["metrics"], results["baselines"]
    rows = {
        "the model": metrics["exact"],
        "the question without the photo": baselines.get("question_only"),
        "the photo without the question": baselines.get("image_only"),
        "always the most common answer": baselines.get("majority"),
        "the best that its list of answers allows": baselines.get("upper_bound"),
    }
    lines = [f"| {name} | {value:.1f} % |" for name, value in rows.items() if value is not None]
    types = ", ".join(f"{name} {value:.1f} %" for name, value in metrics.get("by_answer_type", {}).items())
    sentences = [
        f"On {results['n']:,} questions about photos that it never saw.",
        *([f"{types}."] if types else []),
    ]
    if official := metrics.get("official"):
        sentences.append(f"Official VQA accuracy {official:.1f} % on {metrics['n_official']:,} of them.")
    if (calibration := results.get("calibration", {}).get("ece")) is not None:
        sentences.append(f"Its confidence is off by {calibration:.1f} points on average.")
    if command := results.get("command"):
        sentences.append(f"Measured by `{command}`.")
    return "\n".join(["| answers | right |", "|---|--:|", *lines, "", " ".join(sentences)])
